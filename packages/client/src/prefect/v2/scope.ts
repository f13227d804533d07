/** Slots while they are held: kept alive, given back once, and what happens when they are lost meanwhile. */
import { unlessAborted } from '../shared/patience.ts';
import { ConcurrencyContext } from './context.ts';
import { terminated, warnOfLoss } from './errors.ts';
import type { Hold } from './slot-service.ts';

export interface ConcurrencyScope extends AsyncDisposable {
  /**
   * Aborts, with a `LeaseLostError`, when the slots are no longer reserved and the call is strict (or
   * `raiseOnLeaseRenewalFailure`); else it never does.
   */
  readonly signal: AbortSignal;
}

export interface ScopeOptions {
  /** Cancels the release, in a context that makes up for it. */
  readonly signal: AbortSignal | undefined;
  readonly endsWhenLost: boolean;
}

export class Scope implements ConcurrencyScope {
  readonly #hold: Hold | undefined;
  readonly #options: ScopeOptions;
  readonly #context: ConcurrencyContext | undefined;
  readonly #ended = new AbortController();
  #exited: Promise<void> | undefined;

  /** @param hold undefined: nothing is held */
  constructor(hold: Hold | undefined, options: ScopeOptions) {
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
   * Holds the slots while the body runs. Where their loss ends it, the call does not wait for a body that does not heed
   * the signal: as Prefect cancels its task.
   */
  async run<T>(body: (scope: ConcurrencyScope) => T | PromiseLike<T>): Promise<T> {
    let value: T;
    try {
      value = await unlessAborted((async () => body(this))(), this.signal);
    } catch (error) {
      await this.exit().catch((failure: unknown) =>
        console.warn(`Failed to release concurrency lease ${this.#hold?.leaseId}`, failure),
      );
      throw error;
    }
    await this.exit();
    return value;
  }

  /** Gives the slots back, once however often it is called. */
  exit(): Promise<void> {
    this.#exited ??= this.#release();
    return this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.exit();
  }

  #lost({ leaseId, lost }: Hold): void {
    if (this.#exited !== undefined) return;
    if (this.#options.endsWhenLost) this.#ended.abort(terminated(leaseId, lost.reason));
    else warnOfLoss(leaseId, lost.reason);
  }

  async #release(): Promise<void> {
    const hold = this.#hold;
    if (hold === undefined) return;
    // Where no context would make up for it, the release is not cancelled: the slots would be lost until the lease ends.
    const cancelled = this.#context?.isOpen ? this.#options.signal : undefined;
    try {
      await hold.release(cancelled);
    } catch (error) {
      if (cancelled?.aborted) return;
      throw error;
    }
    this.#context?.discard(hold.leaseId);
  }
}
