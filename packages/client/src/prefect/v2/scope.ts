/** A lease while it is held: kept alive, given back once, and what happens when it is lost meanwhile. */
import { unlessAborted } from '../shared/deadline.ts';
import { HeldScope } from '../shared/scope.ts';
import { ConcurrencyContext } from './context.ts';
import { terminated, warnOfLoss } from './errors.ts';
import type { Hold } from './slot-service.ts';

export interface ConcurrencyScope extends AsyncDisposable {
  /**
   * Aborts, with a `LeaseLostError`, when the slots are no longer reserved and the call is strict (or
   * `raiseOnLeaseRenewalFailure`). Otherwise it never aborts.
   */
  readonly signal: AbortSignal;
}

export interface ScopeOptions {
  /** Cancels the release, in a context that makes up for it. */
  readonly signal: AbortSignal | undefined;
  readonly endsWhenLost: boolean;
}

export class Scope extends HeldScope implements ConcurrencyScope {
  readonly #hold: Hold | undefined;
  readonly #options: ScopeOptions;
  readonly #context: ConcurrencyContext | undefined;
  readonly #ended = new AbortController();

  /** @param hold undefined: nothing is held */
  constructor(hold: Hold | undefined, options: ScopeOptions) {
    super();
    this.#hold = hold;
    this.#options = options;
    if (hold === undefined) return;
    this.#context = ConcurrencyContext.current();
    this.#context?.cleanupLeaseIds.push(hold.leaseId);
    const { lost } = hold;
    if (lost.aborted) this.#lost(hold);
    lost.addEventListener('abort', () => this.#lost(hold), { once: true });
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Holds the slots while the body runs. When their loss ends it, the call does not wait for a body that ignores the
   * signal: Prefect cancels its task there.
   */
  run<T>(body: (scope: ConcurrencyScope) => T | PromiseLike<T>): Promise<T> {
    return this.holdDuring(() => unlessAborted((async () => body(this))(), this.signal));
  }

  protected override get releaseFailed(): string {
    return `Failed to release concurrency lease ${this.#hold?.leaseId}`;
  }

  protected override async release(): Promise<void> {
    const hold = this.#hold;
    if (hold === undefined) return;
    // Without a context nothing would make up for a cancelled release: the slots would be lost until the lease ends.
    const cancelled = this.#context?.isOpen ? this.#options.signal : undefined;
    try {
      await hold.release(cancelled);
    } catch (error) {
      if (cancelled?.aborted) return;
      throw error;
    }
    this.#context?.discard(hold.leaseId);
  }

  #lost({ leaseId, lost }: Hold): void {
    if (this.hasExited) return;
    if (this.#options.endsWhenLost) this.#ended.abort(terminated(leaseId, lost.reason));
    else warnOfLoss(leaseId, lost.reason);
  }
}
