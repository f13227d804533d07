/** Numbers that a seed can bring back: mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))) {
    this.seed = seed;
    this.#state = seed;
  }

  /** From 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `min` to `max`. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)] as T;
  }
}
