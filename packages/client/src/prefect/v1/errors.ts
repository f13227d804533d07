/** The errors of the seed system, name for name. */
import { SlotTimeoutError } from '../shared/errors.ts';
import { pythonList } from '../shared/python-text.ts';

/** The slots were not free in time. */
export class AcquireConcurrencySlotTimeoutError extends SlotTimeoutError {
  constructor(timeoutSeconds: number, options?: ErrorOptions) {
    super('limits', timeoutSeconds, options);
  }
}

/** The slots could not be taken for any reason but time; `cause` says which. */
export class ConcurrencySlotAcquisitionError extends Error {
  override readonly name = 'ConcurrencySlotAcquisitionError';

  constructor(names: readonly string[], options: ErrorOptions) {
    super(`Unable to acquire concurrency limits ${pythonList(names)}`, options);
  }
}

/** A server says that waiting is of no use: a limit of 0, say. It is the `cause` of the error above. */
export class ConcurrencySlotAcquisitionServiceError extends Error {
  override readonly name = 'ConcurrencySlotAcquisitionServiceError';
}
