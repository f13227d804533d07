/** Where releases go that were cancelled: slots are given back at the latest as the context exits. */
import { ContextStack } from '../shared/context-stack.ts';
import { pythonList } from '../shared/python-text.ts';
import { slotService } from './services.ts';

/** What was not given back: the limits, for how many seconds they were held, by which task run. */
export type CleanupSlots = [names: string[], occupancySeconds: number, taskRunId: string];

const contexts = new ContextStack<ConcurrencyContext>();

export class ConcurrencyContext {
  /** Slots whose release was cancelled. They are given back as the context exits. */
  readonly cleanupSlots: CleanupSlots[] = [];
  readonly #exit = new AbortController();

  /** Runs `body` in a context of its own. */
  static run<T>(body: (context: ConcurrencyContext) => T | PromiseLike<T>): Promise<T> {
    return new ConcurrencyContext().run(body);
  }

  /** The innermost context around the caller that has not exited; undefined if there is none. */
  static current(): ConcurrencyContext | undefined {
    return contexts.current();
  }

  /**
   * Runs `body` in this context, then exits it: releases that are still under way are cancelled, and all of
   * `cleanupSlots` are given back. A failure to do so is warned of and does not stop the others.
   *
   * @returns what `body` resolves to, or rejects with what it throws, after the exit
   */
  run<T>(body: (context: ConcurrencyContext) => T | PromiseLike<T>): Promise<T> {
    return contexts.run(
      this,
      () => body(this),
      async () => {
        this.#exit.abort();
        for (const slots of this.cleanupSlots) await giveBack(slots);
      },
    );
  }

  /**
   * Carries out `release`. When `signal` or the exit cancels it, `slots` go on `cleanupSlots` in the same turn, and it
   * counts as done.
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
}

async function giveBack([names, occupancySeconds, taskRunId]: CleanupSlots): Promise<void> {
  try {
    const service = await slotService();
    await service.release(names, taskRunId, occupancySeconds);
  } catch (error) {
    console.warn(
      `Failed to release concurrency slots ${pythonList(names)} for task run ${taskRunId} during cleanup`,
      error,
    );
  }
}
