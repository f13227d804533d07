/** Who gives positions in the wait queue, and which of those that a client claims it can have had. */
import type { EngineMs } from './facts.ts';
import type { Place } from './place.ts';

/** The greatest head start that a priority gives. */
export const HEAD_START_MAX_MS = 86_400_000;

/** Numbers of an epoch are greater than those of the epochs before it. */
const NUMBERS_PER_EPOCH = 2 ** 32;

/**
 * Hands out positions, and judges those that a client says it had. The server keeps nothing for clients that are gone, so it
 * cannot know; but a position that was handed out has a number that was, and is no earlier than the start of its epoch
 * allows. One of an earlier epoch is no earlier than the greatest head start would have been at this start: claiming one
 * gains no more than any client may ask for by its priority.
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

  /** A new position at the end of those with that time. */
  next(atMs: EngineMs): Place {
    this.#lastNumber += 1;
    return { atMs, number: this.#lastNumber };
  }

  /** The position that a client with that head start had, or a new one if it can have had none such. */
  claimed({ atMs, number }: Place, headStartMs: number, nowMs: EngineMs): Place {
    const latestMs = nowMs - headStartMs;
    if (number > this.#lastNumber) return this.next(latestMs);
    const isOfThisEpoch = number >= this.#firstNumber;
    const earliestMs = this.#startedAtMs - (isOfThisEpoch ? headStartMs : HEAD_START_MAX_MS);
    return { atMs: Math.min(Math.max(atMs, earliestMs), latestMs), number };
  }
}
