/** An acquire that has not been answered: what it asks for, until when, and who waits for it. */
import type { AcquireRequest, Clock, Place, Timer } from '@slotkeeper/protocol';
import type { AcquireCall } from './acquire-call.ts';
import type { HeldLease } from './lease.ts';

/** So long after its timeout a connected server may take to answer why it was not granted. */
const GRACE_MS = 1_000;

export class WaitingAcquire {
  readonly id: string;
  readonly call: AcquireCall;
  readonly calledAtMs: number;
  readonly promise: Promise<HeldLease>;
  /** Its position in the wait queue, once the server has sent it. */
  place: Place | null = null;
  /** The last connection on which the server was asked. */
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

  /** As it is to be asked now, with the time that is left. */
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
      // The last two are the server's own.
      skipInactive: false,
      limitIds: [],
    };
  }

  /**
   * Calls `timedOut` when its time is up, as the caller counts it; somewhat later while `isConnected`, since it is the
   * server that knows why it was not granted. Calls `aborted` when the caller's signal aborts.
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
