/** Time that passes only when a test moves it. */
import type { Clock, Timer } from '@slotkeeper/protocol';

class Due implements Timer {
  readonly atMs: number;
  readonly number: number;
  /** Null once it is cancelled. */
  callback: (() => void) | null;

  constructor(atMs: number, number: number, callback: () => void) {
    this.atMs = atMs;
    this.number = number;
    this.callback = callback;
  }

  cancel(): void {
    this.callback = null;
  }
}

/** So many callbacks in a row, then the process may look at the real world. */
const CALLBACKS_IN_A_ROW = 20_000;
/** More in a millisecond is a loop. */
const CALLBACKS_A_MS_MAX = 1_000_000;

export class VirtualTime implements Clock {
  #nowMs = 0;
  #wallOffsetMs: number;
  #number = 0;
  /** A binary heap, the next timer first; of timers due at the same time, the one that was set first. */
  readonly #due: Due[] = [];
  /** When each of them is due, side by side: most comparisons need no more. */
  readonly #times: number[] = [];
  /** What is due at once, in order, from `#soonFrom` on: most of all that there is, and cheaper than in the heap. */
  #soon: Due[] = [];
  #soonFrom = 0;

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
    const due = new Due(this.#nowMs + Math.max(0, delayMs), this.#number++, callback);
    this.#push(due);
    return due;
  }

  soon(callback: () => void): void {
    this.#soon.push(new Due(this.#nowMs, this.#number++, callback));
  }

  /** Somebody sets the clock on the wall; nothing else changes. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** The host does not run for so long: what falls due meanwhile is called late. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** Lets time pass, and calls in order what falls due, promises and real I/O included. */
  async pass(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settled();
    for (let next = this.#take(untilMs); next; next = this.#take(untilMs)) {
      next();
      await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets time pass up to what is due next, and calls it. */
  async passToNext(): Promise<void> {
    await settled();
    const next = this.#peek();
    if (!next) throw new Error('nothing is due: a test that waits would wait for ever');
    await this.pass(next.atMs - this.#nowMs);
  }

  /**
   * As `pass` up to `untilMs`, or until `isOver`, and much faster: between two callbacks come all promises that can go on,
   * and no real I/O. Rejects with what a callback throws.
   */
  run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      let calls = 0;
      let advancedAt = { ms: this.#nowMs, calls };
      const someInARow = (): void => {
        settle();
        for (let i = 0; i < CALLBACKS_IN_A_ROW; i += 1) {
          const next = isOver() ? undefined : this.#take(untilMs);
          if (!next) {
            if (!isOver()) this.#nowMs = Math.max(this.#nowMs, untilMs);
            resolve();
            return;
          }
          next();
          settle();
          calls += 1;
          if (this.#nowMs - advancedAt.ms >= 1) advancedAt = { ms: this.#nowMs, calls };
          else if (calls - advancedAt.calls > CALLBACKS_A_MS_MAX)
            throw new Error(`time stands still at ${this.#nowMs}: something calls itself again and again (${next})`);
        }
        setImmediate(turn);
      };
      const turn = (): void => {
        try {
          someInARow();
        } catch (error) {
          reject(error as Error);
        }
      };
      setImmediate(turn);
    });
  }

  #peek(): Due | undefined {
    while (this.#due[0]?.callback === null) this.#pop();
    const timer = this.#due[0];
    const soon = this.#soon[this.#soonFrom];
    return soon && !(timer && isBefore(timer, soon)) ? soon : timer;
  }

  /** What is due next, at `untilMs` at the latest; its time has come then. */
  #take(untilMs: number): (() => void) | undefined {
    const next = this.#peek();
    if (!next?.callback || next.atMs > untilMs) return undefined;
    if (next === this.#soon[this.#soonFrom]) this.#shift();
    else this.#pop();
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    const { callback } = next;
    next.callback = null;
    return callback;
  }

  #shift(): void {
    this.#soonFrom += 1;
    if (this.#soonFrom < this.#soon.length) return;
    this.#soon = [];
    this.#soonFrom = 0;
  }

  #push(due: Due): void {
    const heap = this.#due;
    const times = this.#times;
    let at = heap.length;
    for (let above = (at - 1) >> 1; at > 0 && due.atMs < (times[above] as number); above = (at - 1) >> 1) {
      heap[at] = heap[above] as Due;
      times[at] = times[above] as number;
      at = above;
    }
    heap[at] = due;
    times[at] = due.atMs;
  }

  #pop(): void {
    const heap = this.#due;
    const times = this.#times;
    const last = heap.pop() as Due;
    const lastMs = times.pop() as number;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && this.#comesBefore(child + 1, times[child] as number, heap[child] as Due))
        child += 1;
      if (!this.#comesBefore(child, lastMs, last)) break;
      heap[at] = heap[child] as Due;
      times[at] = times[child] as number;
      at = child;
    }
    heap[at] = last;
    times[at] = lastMs;
  }

  #comesBefore(at: number, atMs: number, due: Due): boolean {
    const ownMs = this.#times[at] as number;
    return ownMs < atMs || (ownMs === atMs && (this.#due[at] as Due).number < due.number);
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}

/** All that promises have to do without time or I/O. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * The same at once, as Node does between two timers: all ticks and microtasks that there are. To be called from a callback
 * of the event loop, not from a microtask. Node has no public function for it.
 */
const settle: () => void = (process as unknown as { _tickCallback(): void })._tickCallback;
