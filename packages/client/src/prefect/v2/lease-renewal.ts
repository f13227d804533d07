/**
 * Keeps a lease of a Prefect API alive as Prefect's own client does: it is renewed at once, and again after each three
 * quarters of its duration, with three tries each.
 *
 *   trying ── renewed ──▶ resting ── 75 % of the duration ──▶ trying
 *     ├── failed, once or twice ──▶ pausing ── 1 s, 2 s ──▶ trying
 *     └── failed three times, or the lease is gone ──▶ over (lost)
 *
 * Prefect's client notices a loss when the tries are used up. They may take longer than the lease lasts, so the loss is
 * reported as the lease ends; the tries go on, since a server may not have given the slots to anybody else yet.
 */
import type { Clock, Timer } from '@slotkeeper/protocol';
import { PrefectApiError } from '@slotkeeper/protocol/prefect';

const RENEWED_AFTER = 0.75;
const TRIES_MAX = 3;
const FIRST_PAUSE_MS = 1_000;
/** The lease is not there any more, and no try will bring it back. */
const GONE = 410;

export interface Renewable {
  readonly durationMs: number;
  /** Asks the server once; rejects if the lease was not renewed. `over` aborts when that is not wanted any more. */
  renew(over: AbortSignal): Promise<void>;
  /** Called when the slots are no longer reserved; perhaps more than once. */
  lost(cause: unknown): void;
}

export class LeaseRenewal {
  readonly #lease: Renewable;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #nextTry: Timer | undefined;
  #expiry: Timer | undefined;
  #failure: unknown;

  /** Begins at once. */
  constructor(lease: Renewable, clock: Clock) {
    this.#lease = lease;
    this.#clock = clock;
    this.#expireAfter(lease.durationMs);
    void this.#try(1);
  }

  stop(): void {
    this.#over.abort();
    this.#nextTry?.cancel();
    this.#expiry?.cancel();
  }

  async #try(number: number): Promise<void> {
    const sentMs = this.#clock.monotonicMs();
    try {
      await this.#lease.renew(this.#over.signal);
    } catch (error) {
      if (!this.#over.signal.aborted) this.#failed(number, error);
      return;
    }
    if (this.#over.signal.aborted) return;
    const { durationMs } = this.#lease;
    this.#expireAfter(durationMs - (this.#clock.monotonicMs() - sentMs));
    this.#tryAfter(durationMs * RENEWED_AFTER, 1);
  }

  #failed(number: number, error: unknown): void {
    this.#failure = error;
    const isGone = error instanceof PrefectApiError && error.status === GONE;
    if (!isGone && number < TRIES_MAX) {
      this.#tryAfter(FIRST_PAUSE_MS * 2 ** (number - 1), number + 1);
      return;
    }
    this.stop();
    this.#lease.lost(error);
  }

  #tryAfter(delayMs: number, number: number): void {
    this.#nextTry = this.#clock.setTimer(delayMs, () => void this.#try(number));
  }

  #expireAfter(delayMs: number): void {
    this.#expiry?.cancel();
    this.#failure = undefined;
    this.#expiry = this.#clock.setTimer(delayMs, () =>
      this.#lease.lost(this.#failure ?? new Error(`no answer within ${this.#lease.durationMs / 1_000} s`)),
    );
  }
}
