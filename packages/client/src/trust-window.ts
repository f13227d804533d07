/**
 * The trust window: until when a client may believe that it still holds its slots. It ends at the send time of the last
 * acknowledged frame + TTL − margin, on the client's monotonic clock. The server counts from the frame's arrival, which is later
 * than its sending. So the window ends before the server could have given the slots away, even if the answer was slow.
 */
import type { Clock } from '@slotkeeper/protocol';

/**
 * The margin is this part of the TTL (750 ms of 15 s): for two clocks that run apart by some per cent, and for a timer
 * that comes late.
 */
const MARGIN = 1 / 20;
/** After a doubt the server has this part of the TTL to confirm. */
const DOUBT = 1 / 4;
/** If wall clock and monotonic clock drift apart by so much, the machine was suspended, or its clock was set. */
const DRIFT_MS = 1_000;

export class TrustWindow {
  /** Null: the session does not expire. */
  #ttlMs: number | null = null;
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  /** When the first unresolved doubt began. The server has `DOUBT` of the TTL from then on to confirm. */
  #doubtedSinceMs: number | undefined;
  /** When the last doubt began: only frames sent after it confirm. */
  #doubtedAtMs = Number.NEGATIVE_INFINITY;

  /** Call when a connection is welcomed, with the session's time to live. */
  open(ttlMs: number | null): void {
    this.#ttlMs = ttlMs;
  }

  /** Call when a frame that was sent at `sentAtMs` is acknowledged. */
  confirm(sentAtMs: number): void {
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, sentAtMs);
    if (sentAtMs >= this.#doubtedAtMs) this.#doubtedSinceMs = undefined;
  }

  /** Call when more time may have passed than the monotonic clock shows: only frames sent from now on confirm. */
  doubt(nowMs: number): void {
    this.#doubtedSinceMs ??= nowMs;
    this.#doubtedAtMs = nowMs;
  }

  get isInDoubt(): boolean {
    return this.#ttlMs !== null && this.#doubtedSinceMs !== undefined;
  }

  /** A time of the monotonic clock. `Infinity`: the session does not expire. */
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

/** Detects that wall clock and monotonic clock have drifted apart: in a suspended machine the latter may stand still. */
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
