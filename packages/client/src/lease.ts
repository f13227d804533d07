/** A lease as its holder has it, and as the session keeps it alive. */
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

/** What the session knows of a lease. */
export class HeldLease {
  readonly id: string;
  readonly grant: Grant;
  readonly waitedMs: number;
  readonly onLost: 'abort' | 'continue';
  /** The last connection on which the lease was claimed or granted. */
  claimedOn: number;
  /** What its holder has in hand, while that is to be kept from being collected (leak-watch.ts). */
  handle: WeakKey | undefined;
  #state: State = 'held';
  #controller: AbortController | undefined;
  #abortReason: SlotkeeperError | undefined;
  #released: PromiseWithResolvers<void> | undefined;

  constructor(
    id: string,
    grant: Grant,
    holding: { waitedMs: number; onLost: 'abort' | 'continue'; connection: number },
  ) {
    this.id = id;
    this.grant = grant;
    this.waitedMs = holding.waitedMs;
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

  /** Aborts its signal, so that the holder stops. What it holds stays held. */
  abort(reason: SlotkeeperError): void {
    if (this.#abortReason || this.#state !== 'held') return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Resolves once it is over. */
  releasing(): Promise<void> {
    if (this.#state === 'over') return Promise.resolve();
    this.#state = 'releasing';
    this.#released ??= Promise.withResolvers();
    return this.#released.promise;
  }

  /** It is over, by its holder's will if no reason is given. */
  end(reason?: LeaseLostError | LeaseRevokedError): void {
    if (reason) this.abort(reason);
    this.#state = 'over';
    this.#released?.resolve();
  }
}

/** What a lease needs of the session that keeps it. */
export interface LeaseKeeper {
  /** Resolves when it is durable, or when the lease would have ended anyway. */
  release(held: HeldLease): Promise<void>;
  /** Resolves when it is on its way. */
  sendRelease(held: HeldLease): Promise<void>;
  check(held: HeldLease): Promise<boolean>;
  /** Aborts what is not sure any more, though its timer may not have been called yet. */
  look(): void;
}

/** A right to slots, until it is released or lost. `N`: the names of its limits. */
export class Lease<N extends string = LimitName> {
  /** A UUID. */
  readonly id: string;
  /** The fencing token: a safe integer that rises from grant to grant. A store that keeps the greatest it has seen can refuse writes of holders that are gone. */
  readonly token: number;
  /** What is held: less than was asked for where a missing limit was allowed. */
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
   * Gives the slots back. Idempotent; never rejects; resolves when that is durable, so that somebody else can be told, and
   * at the latest when the lease would have ended anyway.
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
