/** 423 with `Retry-After`: the slots are taken, and the server says when to ask again. */
import type { Patience } from '../shared/patience.ts';
import { type Reply, retryAfterSeconds } from './prefect-api.ts';

const LOCKED = 423;

/**
 * Asks until there is another answer, or `retriesMax` were made.
 *
 * @returns the last answer
 * @throws what `ask` throws, or the reason of `patience.over` once that aborts between two tries
 */
export async function untilUnlocked(
  ask: () => Promise<Reply>,
  patience: Patience,
  retriesMax = Number.POSITIVE_INFINITY,
): Promise<Reply> {
  for (let retry = 0; ; retry += 1) {
    const reply = await ask();
    const seconds = reply.status === LOCKED ? retryAfterSeconds(reply) : undefined;
    if (seconds === undefined || retry >= retriesMax) return reply;
    await patience.pause(seconds);
  }
}
