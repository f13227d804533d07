/**
 * Until when a client may believe that it still holds its slots: the send time of the last acknowledged frame + TTL −
 * margin, on its own monotonic clock. The server counts from when a frame arrived, which is later than it was sent, so
 * this ends before the server could have given the slots away, however slow the answer was.
 */
import type { Clock } from '@slotkeeper/protocol';

/**
 * The margin is this part of the TTL (750 ms of 15 s): for two clocks that run apart by some per cent, and for a timer
 * that comes late.
 */
const MARGIN = 1 / 20;
/** In doubt, the server has this part of the TTL to confirm. */
const DOUBT = 1 / 4;
/** Wall and monotonic clock drift apart by so much: the machine was suspended, or its clock was set. */
const DRIFT_MS = 1_000;

export class TrustWindow {
  /** Null: the session does not expire. */
  #ttlMs: number | null = null;
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  /** The first doubt that is not resolved: from then on the server has so long to confirm. */
  #doubtedSinceMs: number | undefined;
  /** The last one: only what was sent after it confirms. */
  #doubtedAtMs = Number.NEGATIVE_INFINITY;

  /** A new connection was welcomed, and its session has this time to live. */
  open(ttlMs: number | null): void {
    this.#ttlMs = ttlMs;
  }

  /** A frame that was sent at `sentAtMs` has been acknowledged. */
  confirm(sentAtMs: number): void {
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, sentAtMs);
    if (sentAtMs >= this.#doubtedAtMs) this.#doubtedSinceMs = undefined;
  }

  /** More time may have passed than the monotonic clock shows: only what is sent from now on can confirm. */
  doubt(nowMs: number): void {
    this.#doubtedSinceMs ??= nowMs;
    this.#doubtedAtMs = nowMs;
  }

  get isInDoubt(): boolean {
    return this.#ttlMs !== null && this.#doubtedSinceMs !== undefined;
  }

  /** Monotonic. `Infinity`: the session does not expire. */
  get endsAtMs(): number {
    if (this.#ttlMs === null) return Number.POSITIVE_INFINITY;
    const endsAtMs = this.#confirmedAtMs + this.#ttlMs * (1 - MARGIN);
    if (this.#doubtedSinceMs === undefined) return endsAtMs;
    return Math.min(endsAtMs, this.#doubtedSinceMs + this.#ttlMs * DOUBT);
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.endsAtMs;
  }
}

/** Notices that the wall clock and the monotonic clock have drifted apart: the latter may stand still in a suspended machine. */
export class ClockDrift {
  readonly #clock: Clock;
  #differenceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#differenceMs = clock.wallMs() - clock.monotonicMs();
  }

  /** Whether they have drifted apart by a second or more since it was last true. */
  noticed(): boolean {
    const differenceMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    if (Math.abs(differenceMs - this.#differenceMs) < DRIFT_MS) return false;
    this.#differenceMs = differenceMs;
    return true;
  }
}
