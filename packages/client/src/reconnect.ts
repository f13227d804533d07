/**
 * How long to wait before the next attempt to connect. After a restart the server gives all leases one time to live, so a
 * client that holds some tries more often than every quarter of it: no pause is longer than an eighth. And it grants nothing
 * for a second, in which those who waited are to be back in their places: no pause is longer than three quarters of that.
 */
const FIRST_MS = 50;
const LONGEST_MS = 750;

export class Backoff {
  readonly #longestMs: number;
  readonly #random: () => number;
  #nextMs = FIRST_MS;

  /** `random`: from 0 to 1; it spreads the clients of a server that has gone. */
  constructor(ttlMs: number | null, random: () => number) {
    this.#longestMs = Math.min(LONGEST_MS, (ttlMs ?? LONGEST_MS) / 8);
    this.#random = random;
  }

  next(): number {
    const delayMs = Math.min(this.#nextMs, this.#longestMs);
    this.#nextMs = delayMs * 2;
    return delayMs * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#nextMs = FIRST_MS;
  }
}
