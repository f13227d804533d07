/** Time that passes when a test says so. */
import type { Clock, Timer } from '@slotkeeper/protocol';

interface Due {
  readonly atMs: number;
  readonly number: number;
  readonly callback: () => void;
}

export class VirtualTime implements Clock {
  #nowMs = 0;
  #wallOffsetMs: number;
  #number = 0;
  #due: Due[] = [];

  constructor(startsAt: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#wallOffsetMs = startsAt.getTime();
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const due = { atMs: this.#nowMs + Math.max(0, delayMs), number: this.#number++, callback };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== due);
      },
    };
  }

  soon(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** Somebody sets the clock on the wall; nothing else changes. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** The host does not run for so long: what falls due meanwhile is called late. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** Lets time pass, and calls in its turn whatever falls due, promises included. */
  async pass(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settled();
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#due = this.#due.filter((due) => due !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets time pass up to what is due next, and calls it. */
  async passToNext(): Promise<void> {
    await settled();
    const next = this.#next(Number.POSITIVE_INFINITY);
    if (!next) throw new Error('nothing is due: whoever waits waits for ever');
    await this.pass(next.atMs - this.#nowMs);
  }

  #next(untilMs: number): Due | undefined {
    const due = this.#due.filter(({ atMs }) => atMs <= untilMs);
    return due.sort((a, b) => a.atMs - b.atMs || a.number - b.number)[0];
  }
}

/** All that promises have to do without time or I/O. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
