/** Gives out places in the wait queue, and judges the places that returning clients claim. */
import type { EngineMs } from './facts.ts';
import type { Place } from './place.ts';

/** The greatest head start that a priority gives. */
export const HEAD_START_MAX_MS = 86_400_000;

/** Numbers of an epoch are greater than those of the epochs before it. */
const NUMBERS_PER_EPOCH = 2 ** 32;

/**
 * The server keeps nothing of clients that are gone, so it cannot know which place a client had. It bounds the claim instead:
 *
 *   1. The number must have been given out.
 *   2. The time is no earlier than the start of the number's epoch allows, with the client's own head start.
 *   3. A place of an earlier epoch is no earlier than the greatest head start would have been at this epoch's start.
 *
 * So a false claim gains no more than any client may ask for by its priority.
 */
export class Places {
  readonly #firstNumber: number;
  readonly #startedAtMs: EngineMs;
  #lastNumber: number;

  constructor(epoch: number, startedAtMs: EngineMs) {
    this.#firstNumber = epoch * NUMBERS_PER_EPOCH + 1;
    this.#lastNumber = epoch * NUMBERS_PER_EPOCH;
    this.#startedAtMs = startedAtMs;
  }

  /** A new place, after all others with that time. */
  next(atMs: EngineMs): Place {
    this.#lastNumber += 1;
    return { atMs, number: this.#lastNumber };
  }

  /** The claimed place, within these bounds; a new one if its number was never given out. */
  claimed({ atMs, number }: Place, headStartMs: number, nowMs: EngineMs): Place {
    const latestMs = nowMs - headStartMs;
    if (number > this.#lastNumber) return this.next(latestMs);
    const isOfThisEpoch = number >= this.#firstNumber;
    const earliestMs = this.#startedAtMs - (isOfThisEpoch ? headStartMs : HEAD_START_MAX_MS);
    return { atMs: Math.min(Math.max(atMs, earliestMs), latestMs), number };
  }
}
