/**
 * The pulse: one timer that wakes the engine when it asked to be woken, and that detects when the host could not run: its
 * event loop was blocked, or the process stopped. The server's own standstill counts against no lease, so the engine must
 * learn of it, once, before it acts on anything that happened since.
 *
 *   idle ── set ──▶ set ── fires in time ──▶ idle, then `wake`
 *    ▲               ├── fires 100 ms late or more ──▶ `stoodStill`, idle, and `wake` in a later turn
 *    └───────────────┴── is found so late by `check` ──▶ `stoodStill`, idle
 *
 * After `stoodStill` from the timer, what has arrived meanwhile is read before any deadline is acted on.
 */
import type { Clock, Timer } from '@slotkeeper/protocol';

/** While the engine wants to be woken, the timer fires at least so often, so that a standstill is detected. */
const PULSE_MS = 500;
/** A timer that is later than this is no jitter: the host stood still. */
const STANDSTILL_MS = 100;

export interface PulseEvents {
  /** At `nowMs` of the monotonic clock: the host did not run for `byMs`. Reported once for each standstill. */
  stoodStill(byMs: number, nowMs: number): void;
  /** Call the engine, whose deadline may have come, and set the pulse again. */
  wake(): void;
}

export class Pulse {
  readonly #clock: Clock;
  readonly #events: PulseEvents;
  /** `dueMs` is a time of the monotonic clock. */
  #next: { readonly dueMs: number; readonly timer: Timer } | null = null;
  #isStopped = false;

  constructor(clock: Clock, events: PulseEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Wakes at `atMs` of the monotonic clock or sooner. A timer that fires too early costs less than a new one for each command. */
  set(atMs: number): void {
    // Invariant: the timer is due within `PULSE_MS`, so only an earlier time needs another one.
    if ((this.#next && this.#next.dueMs <= atMs) || this.#isStopped) return;
    this.#next?.timer.cancel();
    const nowMs = this.#clock.monotonicMs();
    const dueMs = Math.min(Math.max(atMs, nowMs), nowMs + PULSE_MS);
    this.#next = { dueMs, timer: this.#clock.setTimer(dueMs - nowMs, () => this.#fired()) };
  }

  /** Call before a command is decided at `nowMs`: the timer may be overdue and not have fired yet. Set the pulse again after it. */
  check(nowMs: number): void {
    this.#isLate(nowMs);
  }

  stop(): void {
    this.#isStopped = true;
    this.#next?.timer.cancel();
    this.#next = null;
  }

  #fired(): void {
    if (this.#isStopped) return;
    if (this.#isLate(this.#clock.monotonicMs())) {
      this.#clock.soon(() => {
        if (!this.#isStopped) this.#events.wake();
      });
      return;
    }
    this.#next = null;
    this.#events.wake();
  }

  #isLate(nowMs: number): boolean {
    const lateMs = this.#next ? nowMs - this.#next.dueMs : 0;
    if (lateMs < STANDSTILL_MS) return false;
    this.#next?.timer.cancel();
    this.#next = null;
    this.#events.stoodStill(lateMs, nowMs);
    return true;
  }
}
