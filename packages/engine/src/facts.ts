/**
 * What can happen. A fact is one line of the journal: durable, ordered, never changed afterwards.
 * `evolve` (state.ts) is the only reader that changes durable state.
 */

/** Milliseconds of engine time: like Unix time, but never running backwards. See docs/design.md, "Time". */
export type EngineMs = number;

/** How many of a limit's slots, by its name. In the order of the request. */
export type Amounts = readonly (readonly [name: string, slots: number])[];

/** Whether a limit takes new work: `paused` queues it, `draining` refuses it. */
export type LimitMode = 'open' | 'paused' | 'draining';

/** Everything about a limit that is set by hand. */
export interface LimitSettings {
  /** 0 … 2³¹ − 1. */
  readonly slots: number;
  /**
   * Null: a semaphore, whose slots come back as they are given back. Otherwise a rate: what is taken comes back by itself,
   * so many slots a second, continuously; 10⁻⁹ … 2³¹ − 1.
   */
  readonly slotDecayPerSecond: number | null;
  /** A limit that is switched off limits nothing; its slots are still counted, so that nothing leaks when it is switched on. */
  readonly active: boolean;
  readonly mode: LimitMode;
  /** After how many grants of others the first waiter reserves its slots here too (design.md, "Reservations"). */
  readonly overtakes: number;
  /** The most waiters that may stand here; null: as many as the server bears. */
  readonly maxWaiters: number | null;
  readonly description: string | null;
}

/** Who holds or waits: texts for people, shown with each lease and waiter. */
export interface Holder {
  /** What the holder is in its user's world: a task run, a flow run, a job. */
  readonly type: string | null;
  readonly id: string | null;
  readonly label: string | null;
  readonly host: string | null;
  readonly pid: number | null;
}

/**
 * What keeps a session, and so its leases, alive:
 * - `heartbeat`: a connected client, which sends a frame at least once every time to live;
 * - `renewal`: one lease over REST, renewed by facts; without a time to live it lasts until it is released;
 * - `process`: the process that embeds the engine. It has no time to live and ends with the process.
 */
export type Lifeline = 'heartbeat' | 'renewal' | 'process';

/** The door a lease came through: the session protocol, or one of the three kinds of increments of Prefect's API. */
export type Origin = 'session' | 'prefect-tag' | 'prefect-lease' | 'prefect-bare';

/**
 * How a lease was let go:
 * - `returned`: its slots are free;
 * - `undone`: nobody has used it, so what it spent of rates is back, too;
 * - `untracked`: its slots stay taken without it, until they are returned or decay (Prefect's bare increment).
 */
export type ReleaseHow = 'returned' | 'undone' | 'untracked';

/** Who asked for a change, for the journal. */
export interface Actor {
  /** The name of the key that was shown; null: the server asks for none. */
  readonly key: string | null;
  /** The network address that it came from; null: this process. */
  readonly address: string | null;
}

/** Facts of changes by hand end with `by`: null where nobody is known, as in what an earlier version wrote. */
export type Fact =
  /** A limit was created or changed; `settings` are all it has now. */
  | {
      readonly type: 'limit.set';
      readonly at: EngineMs;
      readonly name: string;
      readonly id: string;
      readonly settings: LimitSettings;
      readonly by: Actor | null;
    }
  | { readonly type: 'limit.deleted'; readonly at: EngineMs; readonly name: string; readonly by: Actor | null }
  | {
      readonly type: 'limit.renamed';
      readonly at: EngineMs;
      readonly name: string;
      readonly to: string;
      readonly by: Actor | null;
    }
  /** Prefect's `active_slots` was set: so many slots count as taken, or as many as leases hold if these are more. */
  | {
      readonly type: 'untracked.set';
      readonly at: EngineMs;
      readonly name: string;
      readonly slots: number;
      readonly by: Actor | null;
    }
  /** Untracked slots were returned, as by Prefect's bare decrement: of each limit as many as there were at the most. */
  | { readonly type: 'untracked.returned'; readonly at: EngineMs; readonly amounts: Amounts }
  /** Slots were granted. The fact's position in the journal is the lease's fencing token. */
  | {
      readonly type: 'lease.granted';
      readonly at: EngineMs;
      readonly leaseId: string;
      readonly sessionId: string;
      readonly lifeline: Lifeline;
      readonly ttlMs: number | null;
      readonly amounts: Amounts;
      readonly holder: Holder;
      /** Whether what it takes of rates belongs to the lease and comes back with it; otherwise it is spent. */
      readonly refunds: boolean;
      readonly origin: Origin;
    }
  /** A lease whose lifeline is `renewal` was given a new time to live. */
  | { readonly type: 'lease.renewed'; readonly at: EngineMs; readonly leaseId: string; readonly ttlMs: number | null }
  /** The holder gave slots back: those of `names`, or all with null. A lease without slots is over. */
  | {
      readonly type: 'lease.released';
      readonly at: EngineMs;
      readonly leaseId: string;
      readonly names: readonly string[] | null;
      readonly how: ReleaseHow;
    }
  /** Its holder gave no sign of life in time. */
  | { readonly type: 'lease.expired'; readonly at: EngineMs; readonly leaseId: string }
  /** Taken away by an operator or with its limit; the holder is notified of `reason`. */
  | {
      readonly type: 'lease.revoked';
      readonly at: EngineMs;
      readonly leaseId: string;
      readonly reason: string;
      readonly by: Actor | null;
    };

export type FactType = Fact['type'];
