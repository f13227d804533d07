/** A call that asks for slots, and what it is told when it cannot have them. */
import { Patience, type TimeoutErrorClass } from './patience.ts';

export interface PatienceOptions {
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
export async function acquiring<T>(
  { timeoutSeconds, signal }: PatienceOptions,
  { Timeout, failure }: AcquisitionErrors,
  ask: (patience: Patience) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const patience = new Patience(timeoutSeconds, signal, Timeout);
  try {
    return await ask(patience);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Timeout ? error : failure(error);
  } finally {
    patience.end();
  }
}
