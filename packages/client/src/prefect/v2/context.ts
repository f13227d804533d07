/** Leases that are still to be given back: at the latest as the context exits. */
import { ContextStack } from '../shared/context-stack.ts';
import { slotService } from './services.ts';

const contexts = new ContextStack<ConcurrencyContext>();

export class ConcurrencyContext {
  /** Leases that were granted and not yet given back. Those left are given back as the context exits. */
  readonly cleanupLeaseIds: string[] = [];
  #hasExited = false;

  /** Runs `body` in a context of its own. */
  static run<T>(body: (context: ConcurrencyContext) => T | PromiseLike<T>): Promise<T> {
    return new ConcurrencyContext().run(body);
  }

  /** The innermost context around the caller that has not exited; undefined if there is none. */
  static current(): ConcurrencyContext | undefined {
    return contexts.current();
  }

  /**
   * Runs `body` in this context, then exits it: all leases that are left in `cleanupLeaseIds` are given back. A failure to
   * do so is warned of and does not stop the others.
   *
   * @returns what `body` resolves to, or rejects with what it throws, after the exit
   */
  run<T>(body: (context: ConcurrencyContext) => T | PromiseLike<T>): Promise<T> {
    return contexts.run(
      this,
      () => body(this),
      async () => {
        this.#hasExited = true;
        for (const leaseId of [...this.cleanupLeaseIds]) await giveBack(leaseId);
      },
    );
  }

  /** @internal Whether its exit is still to come. */
  get isOpen(): boolean {
    return !this.#hasExited;
  }

  /** @internal It is given back and need not be as the context exits. */
  discard(leaseId: string): void {
    const index = this.cleanupLeaseIds.indexOf(leaseId);
    if (index >= 0) this.cleanupLeaseIds.splice(index, 1);
  }
}

async function giveBack(leaseId: string): Promise<void> {
  try {
    const service = await slotService();
    await service.release(leaseId);
  } catch (error) {
    console.warn(`Failed to release concurrency lease ${leaseId} during cleanup`, error);
  }
}
