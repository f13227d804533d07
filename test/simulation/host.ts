/** A process on a host: it may be killed, stopped and continued, and its clocks are its own. */
import type { Clock, Timer } from '@slotkeeper/protocol';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';

export interface ClockFaults {
  /** Its monotonic clock runs so many times as fast as true time; 1: exactly. */
  readonly rate: number;
  /** How far its wall clock is from the true one. */
  wallOffsetMs: number;
}

interface Late {
  readonly kind: 'timer' | 'arrival';
  readonly callback: () => void;
}

class ProcessTimer implements Timer {
  readonly kind = 'timer';
  callback: () => void;
  /** Of true time. */
  due: Timer | undefined;

  constructor(callback: () => void) {
    this.callback = callback;
  }

  cancel(): void {
    this.callback = nothing;
    this.due?.cancel();
  }
}

/** A timer does not fire before its time, nor in the same moment: more than what rounding takes from it. */
const NOT_BEFORE_MS = 0.001;

export class SimulatedProcess implements Clock {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #clocks: ClockFaults;
  readonly #startedAtMs: number;
  /** What fell due while it did not run. */
  #late: Late[] = [];
  /** How much of true time its monotonic clock has not seen: a suspended machine. */
  #suspendedMs = 0;
  #state: 'running' | 'paused' | 'dead' = 'running';

  constructor(time: VirtualTime, random: Random, clocks: ClockFaults) {
    this.#time = time;
    this.#random = random;
    this.#clocks = clocks;
    this.#startedAtMs = time.monotonicMs();
  }

  get isAlive(): boolean {
    return this.#state !== 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  monotonicMs(): number {
    return this.#startedAtMs + (this.#time.monotonicMs() - this.#startedAtMs - this.#suspendedMs) * this.#clocks.rate;
  }

  wallMs(): number {
    return this.#time.wallMs() + this.#clocks.wallOffsetMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const trueMs = Math.max(0, delayMs) / this.#clocks.rate + NOT_BEFORE_MS;
    const timer = new ProcessTimer(callback);
    timer.due = this.#time.setTimer(trueMs, () => this.#call(timer));
    return timer;
  }

  soon(callback: () => void): void {
    this.#time.soon(() => (this.#state === 'running' ? callback() : this.#call({ kind: 'timer', callback })));
  }

  /** Something came from outside. */
  arrive(callback: () => void): void {
    if (this.#state === 'running') callback();
    else this.#call({ kind: 'arrival', callback });
  }

  /** As kill -9. */
  kill(): void {
    this.#state = 'dead';
    this.#late = [];
  }

  /** As SIGSTOP. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** As SIGCONT: what fell due meanwhile is called now, timers or arrivals first. `clockStoodStillMs`: the machine was suspended. */
  resume(clockStoodStillMs = 0): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.#suspendedMs += clockStoodStillMs;
    const late = this.#late;
    this.#late = [];
    const first = this.#random.next() < 0.5 ? 'timer' : 'arrival';
    for (const isFirst of [true, false]) {
      for (const call of late) {
        if ((call.kind === first) === isFirst) this.#time.soon(() => this.#call(call));
      }
    }
  }

  #call(late: Late): void {
    if (this.#state === 'running') late.callback();
    else if (this.#state === 'paused') this.#late.push(late);
  }
}

function nothing(): void {}
