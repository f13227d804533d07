/** The engine's commands and its answers. All of it is plain data: time and ids come in as arguments. */
import type { Actor, Amounts, EngineMs, Fact, Holder, Lifeline, LimitSettings, Origin, ReleaseHow } from './facts.ts';
import type { Place } from './place.ts';
import type { Refusal } from './refusals.ts';

/** What to do about a name that is no limit: refuse, leave it out with a warning, or create the limit with these settings. */
export type OnMissing = 'error' | 'allow' | NewLimit;

/** The settings a caller gives; what is left out keeps its value, or its default as the limit is created. */
export type LimitPatch = { readonly [K in keyof LimitSettings]?: LimitSettings[K] };

/** Settings for a limit that may have to be created. */
export type NewLimit = LimitPatch & { readonly slots: number };

/** One shape for client, wire and engine. The last two fields are the server's own and never on the wire. */
export interface AcquireRequest {
  /** Chosen by the caller. The same id again is the same acquire if session and request are the same, else a conflict. */
  readonly leaseId: string;
  /** 1 … 64 distinct names, each with 1 … 2³¹ − 1 slots. All or nothing. */
  readonly amounts: Amounts;
  /** How long to wait, from now. Null: for ever. 0: a try, granted at once or refused. */
  readonly timeoutMs: number | null;
  /** A head start in seconds, within ± 86,400. */
  readonly priority: number;
  readonly holder: Holder;
  readonly onMissing: OnMissing;
  /** The place that the waiter had before its client came back; null for a new acquire. */
  readonly place: Place | null;
  /** Refuses limits whose slots do not come back by themselves: there will be no lease to give them back. */
  readonly ratesOnly: boolean;
  /** Whether what it takes of rates belongs to the lease and comes back with it, as on Prefect's API; otherwise it is spent. */
  readonly refunds: boolean;
  /** Leaves out limits that are switched off, as Prefect's API does; otherwise they are counted and warned of. */
  readonly skipInactive: boolean;
  /** Ids for limits that `onMissing` creates, one for each of `amounts`; empty if it creates none. */
  readonly limitIds: readonly string[];
}

/** A lease as its client knows it. */
export type Claim = readonly [lease: string, token: number];

export type Command = Asked & {
  /** Who asks: stands in the facts of what is changed by hand. Left out: nobody from outside. */
  readonly by?: Actor;
};

type Asked =
  /**
   * A client connects, or comes back. `leases` and `waits` are the truth of what it knows: a lease that is not listed is
   * released, a waiter that is not listed leaves, what has been decided since is answered again. An earlier connection is
   * displaced; a connection number that is not greater than the last is refused.
   */
  | {
      readonly type: 'session.open';
      readonly sessionId: string;
      readonly connection: number;
      readonly lifeline: Lifeline;
      /** Null: it does not expire. */
      readonly ttlMs: number | null;
      readonly leases: readonly Claim[];
      readonly waits: readonly AcquireRequest[];
      readonly origin: Origin;
    }
  /** Any sign of life of that connection. */
  | { readonly type: 'session.alive'; readonly sessionId: string; readonly connection: number }
  /**
   * The connection is gone. The session stays for its time to live. If it holds nothing, it stays for `keepMs` if that is given
   * (default over REST: 0).
   */
  | { readonly type: 'session.lost'; readonly sessionId: string; readonly connection: number; readonly keepMs?: number }
  /** Goes away in order: all it holds is released, all it waits for cancelled. */
  | { readonly type: 'session.close'; readonly sessionId: string; readonly connection: number }
  | { readonly type: 'acquire'; readonly sessionId: string; readonly request: AcquireRequest }
  /** Gives up the place; if it has been granted meanwhile, gives back all that it took. */
  | { readonly type: 'cancel'; readonly sessionId: string; readonly leaseId: string }
  /**
   * A stale token, a lease that is gone, or one of another session than is given changes nothing. `names`: only the slots
   * of these limits. `untracked`: its slots stay taken without a lease.
   */
  | {
      readonly type: 'release';
      readonly sessionId?: string;
      readonly leaseId: string;
      readonly token: number;
      readonly names?: readonly string[];
      readonly how?: Exclude<ReleaseHow, 'undone'>;
    }
  /** Prefect's bare decrement: returns untracked slots, of each limit that exists as many as there are at the most. */
  | { readonly type: 'untracked.return'; readonly amounts: Amounts }
  /** A new time to live for a lease whose lifeline is `renewal`. */
  | { readonly type: 'renew'; readonly leaseId: string; readonly ttlMs: number | null }
  /** `ensure` creates and never changes; `set` creates or changes the fields given. `id` is used if it is created. */
  | {
      readonly type: 'limit.ensure' | 'limit.set';
      readonly name: string;
      readonly id: string;
      readonly patch: LimitPatch;
    }
  /** Refused while it has holders, unless forced; then their leases are revoked. */
  | { readonly type: 'limit.delete'; readonly name: string; readonly force: boolean }
  /** Its leases keep their slots. Those who wait for it under its old name wait for a limit that is not there. */
  | { readonly type: 'limit.rename'; readonly name: string; readonly to: string }
  /** Prefect's `active_slots`: so many slots count as taken, or as many as leases hold if these are more. */
  | { readonly type: 'untracked.set'; readonly name: string; readonly slots: number }
  /** Prefect's reset: revokes every lease on the limit, frees what is taken without one, then grants one slot to each of `grants`, all or nothing. */
  | { readonly type: 'limit.reset'; readonly name: string; readonly grants: readonly DirectGrant[] }
  /** Time has come to `wakeAtMs`. */
  | { readonly type: 'tick' }
  /** The host could not run for so long: sessions and leases get that much more time. Precedes the tick that came late. */
  | { readonly type: 'stalled'; readonly byMs: number };

export interface DirectGrant {
  readonly leaseId: string;
  /** The lease's own session. Its id is a secret: a client that knows it can displace the session. */
  readonly sessionId: string;
  readonly ttlMs: number | null;
  readonly holder: Holder;
}

/** What a session is notified of: an answer to one of its acquires, the end of a lease, the end of its connection. */
export type Notice =
  | { readonly type: 'granted'; readonly sessionId: string; readonly leaseId: string; readonly grant: Grant }
  /** It waits. Sent once, when it joins the wait queue. */
  | { readonly type: 'queued'; readonly sessionId: string; readonly leaseId: string; readonly place: Place }
  | { readonly type: 'refused'; readonly sessionId: string; readonly leaseId: string; readonly refusal: Refusal }
  /** The lease is over, and its holder did not end it. */
  | { readonly type: 'ended'; readonly sessionId: string; readonly leaseId: string; readonly refusal: Refusal }
  /** The connection is to be closed: its session gave no sign of life in time, or came back on another one. */
  | {
      readonly type: 'disconnect';
      readonly sessionId: string;
      readonly connection: number;
      readonly reason: 'lapsed' | 'displaced';
    };

export interface Grant {
  readonly token: number;
  readonly grantedAtMs: EngineMs;
  /** What was taken: the request less what `allow` or `skipInactive` left out. */
  readonly amounts: Amounts;
  readonly waitedMs: number;
  readonly warnings: readonly Warning[];
}

/** A limit that an acquire asked for and that limits nothing: there is none of that name, or it is switched off. */
export interface Warning {
  readonly code: 'LIMIT_MISSING' | 'LIMIT_INACTIVE';
  readonly limit: string;
}

/** The result of a step: facts to make durable, and what may be revealed once they are. */
export interface Step {
  readonly facts: readonly Fact[];
  readonly notices: readonly Notice[];
  /** Why the command itself was refused; undefined if it was carried out. Acquires are answered by notices alone. */
  readonly refusal: Refusal | undefined;
}
