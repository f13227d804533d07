/** An acquire that has not been answered: its request, its timeout, and the promise of its caller. */
import type { AcquireRequest, Clock, Place, Timer } from '@slotkeeper/protocol';
import type { AcquireCall } from './acquire-call.ts';
import type { HeldLease } from './lease.ts';

/** How long after its timeout a connected server may take to answer why it was not granted. */
const GRACE_MS = 1_000;

export class WaitingAcquire {
  readonly id: string;
  readonly call: AcquireCall;
  readonly calledAtMs: number;
  readonly promise: Promise<HeldLease>;
  /** Its place in the wait queue, once the server has sent it. */
  place: Place | null = null;
  /** The last connection on which the acquire was sent. */
  askedOn = 0;
  readonly #clock: Clock;
  readonly #outcome = Promise.withResolvers<HeldLease>();
  #timer: Timer | undefined;
  #unlisten: (() => void) | undefined;

  constructor(id: string, call: AcquireCall, clock: Clock) {
    this.id = id;
    this.call = call;
    this.#clock = clock;
    this.calledAtMs = clock.monotonicMs();
    this.promise = this.#outcome.promise;
  }

  get waitedMs(): number {
    return this.#clock.monotonicMs() - this.calledAtMs;
  }

  /** The request as it is sent now, with the time that is left. */
  get request(): AcquireRequest {
    const { amounts, timeoutMs, priority, holder, onMissing, ratesOnly, refunds } = this.call;
    const leftMs = timeoutMs && Math.ceil(Math.max(0, timeoutMs - this.waitedMs));
    return {
      leaseId: this.id,
      amounts,
      timeoutMs: leftMs,
      priority,
      holder,
      onMissing,
      place: this.place,
      ratesOnly,
      refunds,
      // Only the server sets the last two.
      skipInactive: false,
      limitIds: [],
    };
  }

  /**
   * Calls `timedOut` at its timeout, by the caller's clock. While `isConnected` it waits somewhat longer, since the server knows
   * why it was not granted. Calls `aborted` when the caller's signal aborts.
   */
  watch(isConnected: () => boolean, timedOut: () => void, aborted: (reason: unknown) => void): void {
    const { timeoutMs, signal } = this.call;
    if (timeoutMs !== null) {
      this.#timer = this.#clock.setTimer(timeoutMs, () => {
        if (isConnected()) this.#timer = this.#clock.setTimer(GRACE_MS, timedOut);
        else timedOut();
      });
    }
    if (signal) {
      const listener = (): void => aborted(signal.reason);
      signal.addEventListener('abort', listener, { once: true });
      this.#unlisten = () => signal.removeEventListener('abort', listener);
    }
  }

  granted(held: HeldLease): void {
    this.#unwatch();
    this.#outcome.resolve(held);
  }

  failed(reason: unknown): void {
    this.#unwatch();
    this.#outcome.reject(reason);
  }

  #unwatch(): void {
    this.#timer?.cancel();
    this.#unlisten?.();
  }
}
