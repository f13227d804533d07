/** How long a call waits for its slots: until its timeout, which counts from the call, or until its caller's signal. */
import { setTimeout as delay } from 'node:timers/promises';

/** The error of a timeout. */
export type TimeoutErrorClass = new (timeoutSeconds: number, options?: ErrorOptions) => Error;

/** The longest delay a timer of Node takes, 25 days. A timeout beyond it is none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Deadline {
  /** Aborts at the deadline. Its reason is what the call rejects with. */
  readonly signal: AbortSignal;
  /** What the caller gave; 0: at once or not at all. */
  readonly timeoutSeconds: number | undefined;
  readonly callersSignal: AbortSignal | undefined;
  readonly #TimeoutError: TimeoutErrorClass;
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(timeoutSeconds: number | undefined, signal: AbortSignal | undefined, TimeoutError: TimeoutErrorClass) {
    this.#TimeoutError = TimeoutError;
    this.timeoutSeconds = timeoutSeconds;
    this.callersSignal = signal;
    const timeout = new AbortController();
    const delayMs = (timeoutSeconds ?? 0) * 1000;
    if (delayMs > 0 && delayMs <= TIMER_MS_MAX) {
      this.#timer = setTimeout(() => timeout.abort(this.timeoutError()), delayMs);
    }
    this.signal = AbortSignal.any(signal === undefined ? [timeout.signal] : [timeout.signal, signal]);
  }

  /** Undefined: for ever. */
  get secondsLeft(): number | undefined {
    if (this.timeoutSeconds === undefined) return undefined;
    return Math.max(0, this.timeoutSeconds - (performance.now() - this.#startedMs) / 1000);
  }

  timeoutError(options?: ErrorOptions): Error {
    return new this.#TimeoutError(this.timeoutSeconds ?? 0, options);
  }

  /** Settles as `work` does, unless the deadline comes first. `work` goes on by itself then. */
  race<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.signal);
  }

  /** Waits for the next try. A timeout of 0 allows one try only. */
  async pause(seconds: number): Promise<void> {
    if (this.timeoutSeconds === 0) throw this.timeoutError();
    await delay(Math.min(seconds * 1000, TIMER_MS_MAX), undefined, { signal: this.signal }).catch(() => undefined);
    this.signal.throwIfAborted();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Settles as `work` does, or rejects with the signal's reason once that aborts. A later rejection of `work` is handled. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([aborted.promise, work]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
