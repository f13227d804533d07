/** The error of a timeout, as both of Prefect's modules word it. */
export abstract class SlotTimeoutError extends Error {
  /** Prefect's is a `TimeoutError`. */
  override readonly name = 'TimeoutError';

  constructor(what: 'limits' | 'slots', timeoutSeconds: number, options?: ErrorOptions) {
    super(`Attempt to acquire concurrency ${what} timed out after ${timeoutSeconds} second(s)`, options);
  }
}
