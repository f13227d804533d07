/** A lease: the session's side, which keeps it alive, and the holder's side. */
import type { Grant } from '@slotkeeper/protocol';
import { describe } from './amounts.ts';
import { fromCaller } from './call-stack.ts';
import type { LeaseLostError, LeaseRevokedError, SlotkeeperError } from './errors.ts';
import type { LimitName } from './register.ts';

/**
 *   held ── release ──▶ releasing ── acknowledged, or ended ──▶ over
 *     └──────────────────── lost ──────────────────────────────▶ over
 */
type State = 'held' | 'releasing' | 'over';

/** The session's side of a lease. */
export class HeldLease {
  readonly id: string;
  readonly grant: Grant;
  readonly waitedMs: number;
  /** Monotonic. */
  readonly grantedAtMs: number;
  readonly onLost: 'abort' | 'continue';
  /** The last connection on which the lease was claimed or granted. */
  claimedOn: number;
  /** The holder's object, as long as it must not be collected (leak-watch.ts). */
  handle: WeakKey | undefined;
  /** Where in the program it was taken, if that was noted (leak-watch.ts). */
  takenAt: string | undefined;
  #state: State = 'held';
  #controller: AbortController | undefined;
  #abortReason: SlotkeeperError | undefined;
  #released: PromiseWithResolvers<void> | undefined;

  constructor(
    id: string,
    grant: Grant,
    holding: { waitedMs: number; grantedAtMs: number; onLost: 'abort' | 'continue'; connection: number },
  ) {
    this.id = id;
    this.grant = grant;
    this.waitedMs = holding.waitedMs;
    this.grantedAtMs = holding.grantedAtMs;
    this.onLost = holding.onLost;
    this.claimedOn = holding.connection;
  }

  get state(): State {
    return this.#state;
  }

  get limits(): readonly { readonly name: string; readonly slots: number }[] {
    return this.grant.amounts.map(([name, slots]) => ({ name, slots }));
  }

  /** For people. */
  get text(): string {
    return describe(this.grant.amounts);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  /** Aborts the signal, so that the holder stops. The slots stay held. */
  abort(reason: SlotkeeperError): void {
    if (this.#abortReason || this.#state !== 'held') return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Begins the release. Resolves once the lease is over. */
  releasing(): Promise<void> {
    if (this.#state === 'over') return Promise.resolve();
    this.#state = 'releasing';
    this.#released ??= Promise.withResolvers();
    return this.#released.promise;
  }

  /** Ends the lease: by its holder, if no reason is given. */
  end(reason?: LeaseLostError | LeaseRevokedError): void {
    if (reason) this.abort(reason);
    this.#state = 'over';
    this.#released?.resolve();
  }
}

/** The part of the session that a lease needs. */
export interface LeaseKeeper {
  /** Resolves when the release is durable, or when the lease would have ended anyway. */
  release(held: HeldLease): Promise<void>;
  /** Resolves when the release has been sent. */
  sendRelease(held: HeldLease): Promise<void>;
  check(held: HeldLease): Promise<boolean>;
  /** Aborts signals of leases that may have been lost, since their timer may not have run yet. */
  look(): void;
}

/** A right to slots, until it is released or lost. `N`: the names of its limits. */
export class Lease<N extends string = LimitName> {
  /** A UUID. */
  readonly id: string;
  /**
   * The fencing token: a safe integer that rises from grant to grant. A store that remembers the greatest token can refuse
   * writes of earlier holders.
   */
  readonly token: number;
  /** The slots that are held: fewer than asked for if a missing limit was allowed. */
  readonly limits: readonly { readonly name: N; readonly slots: number }[];
  readonly acquiredAt: Date;
  /** From the call to the grant. */
  readonly waitedSeconds: number;
  readonly #held: HeldLease;
  readonly #keeper: LeaseKeeper;

  /** @internal */
  constructor(held: HeldLease, keeper: LeaseKeeper) {
    this.id = held.id;
    this.token = held.grant.token;
    this.limits = held.limits as Lease<N>['limits'];
    this.acquiredAt = new Date(held.grant.grantedAtMs);
    this.waitedSeconds = held.waitedMs / 1_000;
    this.#held = held;
    this.#keeper = keeper;
  }

  /**
   * Aborts when the slots are not safely ours any more, with a `LeaseLostError` or `LeaseRevokedError` as its reason.
   * Guard writes with `lease.signal.throwIfAborted()`.
   *
   * @example
   * lease.signal.throwIfAborted(); // throws the LeaseLostError, if the slots may be another's by now
   * await fetch(url, { signal: lease.signal }); // rejects with it, as soon as they may be
   */
  get signal(): AbortSignal {
    this.#keeper.look();
    return this.#held.signal;
  }

  /**
   * Gives the slots back. Idempotent; never rejects. Resolves when that is durable, so that you may report it, and at the latest
   * when the lease would have ended anyway.
   *
   * @example
   * await lease.release();
   * await lease.check(); // false
   */
  release(): Promise<void> {
    return this.#keeper.release(this.#held);
  }

  /**
   * Asks the server whether the token is still good. False without asking once it is released or lost. Rejects with
   * `SERVER_UNREACHABLE` if the server cannot be asked.
   *
   * @example
   * await lease.check(); // true: no other holder has had these slots since the grant
   */
  check(): Promise<boolean> {
    return fromCaller(() => this.#keeper.check(this.#held));
  }

  /** As at the end of `concurrency`: resolves when the release is on its way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#keeper.sendRelease(this.#held);
  }
}
