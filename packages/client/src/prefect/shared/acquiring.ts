/** A call that asks a server for slots, and the errors that it rejects with when it gets none. */
import { Deadline, type TimeoutErrorClass } from './deadline.ts';
import type { Servers, Service } from './servers.ts';

export interface WaitOptions {
  /** How long to wait for the slots, in seconds from the call: 0 or more. None: for ever; 0: at once or not at all. */
  readonly timeoutSeconds?: number | undefined;
  /** Gives up the wait. */
  readonly signal?: AbortSignal | undefined;
}

export interface AcquisitionErrors {
  readonly Timeout: TimeoutErrorClass;
  /** The error for any failure but a timeout. */
  readonly failure: (cause: unknown) => Error;
}

/**
 * Settles as `ask` does.
 *
 * @throws the signal's reason once that aborts, a timeout error, or the error of the failure
 */
export async function acquiring<S extends Service, T>(
  servers: Servers<S>,
  { timeoutSeconds, signal }: WaitOptions,
  { Timeout, failure }: AcquisitionErrors,
  ask: (service: S, deadline: Deadline) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const deadline = new Deadline(timeoutSeconds, signal, Timeout);
  try {
    return await ask(await deadline.race(servers.service()), deadline);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Timeout ? error : failure(error);
  } finally {
    deadline.end();
  }
}
