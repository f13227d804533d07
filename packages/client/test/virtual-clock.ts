import type { Clock, Timer } from '@slotkeeper/protocol';

interface Alarm {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time that passes only when a test says so. Everything that follows from it has happened when `pass` resolves. */
export class VirtualClock implements Clock {
  #nowMs = 1_000;
  #wallAheadMs = 1_700_000_000_000;
  #alarms: Alarm[] = [];
  #soon: (() => void)[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallAheadMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const alarm: Alarm = { atMs: this.#nowMs + delayMs, callback };
    this.#alarms.push(alarm);
    return {
      cancel: () => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm);
      },
    };
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** The machine sleeps, or somebody sets its clock: the wall clock alone moves. */
  jumpWall(byMs: number): void {
    this.#wallAheadMs += byMs;
  }

  /** The process does not run: time passes, and timers come late. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await this.settle();
      const next = this.#alarms.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > untilMs) break;
      this.#alarms = this.#alarms.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    do {
      await new Promise((resolve) => setImmediate(resolve));
      for (const callback of this.#soon.splice(0)) callback();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#soon.length > 0);
  }
}
