/** How long a caller is willing to wait, counted from its call: until a timeout, or until its signal. */

/** The error of a timeout. */
export type TimeoutErrorClass = new (timeoutSeconds: number, options?: ErrorOptions) => Error;

/** The longest delay a timer of Node takes, 25 days. A timeout beyond it is none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Patience {
  /** Aborts as the patience ends, with what the caller is to be told. */
  readonly over: AbortSignal;
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
    this.over = AbortSignal.any(signal === undefined ? [timeout.signal] : [timeout.signal, signal]);
  }

  get secondsLeft(): number | undefined {
    if (this.timeoutSeconds === undefined) return undefined;
    return Math.max(0, this.timeoutSeconds - (performance.now() - this.#startedMs) / 1000);
  }

  timeoutError(options?: ErrorOptions): Error {
    return new this.#TimeoutError(this.timeoutSeconds ?? 0, options);
  }

  /** Settles as `work` does, unless the patience ends before; `work` goes on by itself then. */
  race<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.over);
  }

  /** Waits for the next try. Whoever wants it at once or not at all has no next try. */
  async pause(seconds: number): Promise<void> {
    if (this.timeoutSeconds === 0) throw this.timeoutError();
    await abortableDelay(seconds * 1000, this.over);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Settles as `work` does, or rejects with the signal's reason once that aborts. Nobody needs to look after `work` then. */
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

/** Waits, or rejects with the signal's reason once that aborts. */
export function abortableDelay(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      done();
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        done();
        resolve();
      },
      Math.min(delayMs, TIMER_MS_MAX),
    );
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
