/** Slots whose release was cancelled are given back at the latest when the context exits. */
import { CleanupContext } from '../shared/context.ts';
import { pythonList } from '../shared/python-text.ts';
import { servers } from './services.ts';

/** Slots that were not given back: the limits, for how many seconds they were held, by which task run. */
export type CleanupSlots = [names: string[], occupancySeconds: number, taskRunId: string];

/**
 * Where cancelled releases are made up for.
 *
 * @example
 * await ConcurrencyContext.run(async (context) => {
 *   await concurrency('gpu', taskRunId, { signal }, train); // `signal` aborts while the slot is given back
 *   context.cleanupSlots; // [[['gpu'], 12.5, taskRunId]]
 * }); // the slot is given back here
 */
export class ConcurrencyContext extends CleanupContext {
  /** Slots whose release was cancelled. They are given back as the context exits. */
  readonly cleanupSlots: CleanupSlots[] = [];
  readonly #exit = new AbortController();

  /**
   * Carries out `release`. When `signal` or the context's exit cancels it, `slots` go on `cleanupSlots` in the same turn, and
   * it counts as done.
   *
   * @internal
   */
  async releaseOrKeep(
    slots: CleanupSlots,
    signal: AbortSignal | undefined,
    release: (cancelled: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const cancelled = AbortSignal.any(signal === undefined ? [this.#exit.signal] : [this.#exit.signal, signal]);
    const keep = () => this.cleanupSlots.push(slots);
    if (cancelled.aborted) keep();
    cancelled.addEventListener('abort', keep, { once: true });
    try {
      await release(cancelled);
    } catch (error) {
      if (!cancelled.aborted) throw error;
    } finally {
      cancelled.removeEventListener('abort', keep);
    }
  }

  /** Cancels the releases that are still under way, then gives back all of `cleanupSlots`. */
  protected override async cleanUp(): Promise<void> {
    this.#exit.abort();
    for (const slots of this.cleanupSlots) await giveBack(slots);
  }
}

async function giveBack([names, occupancySeconds, taskRunId]: CleanupSlots): Promise<void> {
  try {
    const service = await servers.service();
    await service.release(names, taskRunId, occupancySeconds);
  } catch (error) {
    console.warn(
      `Failed to release concurrency slots ${pythonList(names)} for task run ${taskRunId} during cleanup`,
      error,
    );
  }
}
