/** A disk that is full is no reason to end for good: the server starts once somebody has freed some space. */
import { setTimeout as delay } from 'node:timers/promises';
import { JournalError } from '@slotkeeper/journal';

const RETRY_MS = 1_000;
const TOLD_EVERY_MS = 60_000;

/** Resolves to what `start` does. Rejects with its error, if that is another than a full disk or the signal has aborted. */
export async function onceThereIsSpace<T>(
  start: () => Promise<T>,
  tell: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let toldAtMs = Number.NEGATIVE_INFINITY; ; ) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'FULL' || signal?.aborted) throw error;
      if (performance.now() - toldAtMs >= TOLD_EVERY_MS) {
        toldAtMs = performance.now();
        tell(`${error.message} The server starts once there is space.`);
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
