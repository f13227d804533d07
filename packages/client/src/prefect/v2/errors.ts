/** The errors of Prefect's v2 module, name for name and word for word. */
import { PrefectApiError, statusLine } from '@slotkeeper/protocol/prefect';
import { LeaseLostError, SlotkeeperError } from '../../errors.ts';
import { SlotTimeoutError } from '../shared/errors.ts';
import { pythonList } from '../shared/python-text.ts';

/** The slots were not free in time. */
export class AcquireConcurrencySlotTimeoutError extends SlotTimeoutError {
  constructor(timeoutSeconds: number, options?: ErrorOptions) {
    super('slots', timeoutSeconds, options);
  }
}

/** The slots could not be taken for any reason but time. `cause` says which; it is left out where a strict call finds no limits. */
export class ConcurrencySlotAcquisitionError extends Error {
  override readonly name = 'ConcurrencySlotAcquisitionError';
}

/** As in Prefect, the message has the server's reason. Why there was no answer is in the cause alone. */
export function unableToAcquire(names: readonly string[], cause: unknown): ConcurrencySlotAcquisitionError {
  const reason = refusalOf(cause);
  const text = `Unable to acquire concurrency slots on ${pythonList(names)}${reason === undefined ? '' : `: ${reason}`}`;
  return new ConcurrencySlotAcquisitionError(text, { cause });
}

function refusalOf(cause: unknown): string | undefined {
  if (cause instanceof PrefectApiError) return statusLine(cause.reply);
  return SlotkeeperError.is(cause) ? cause.message : undefined;
}

/** A strict call that has found none of its limits. */
export function limitsMissing(names: readonly string[]): ConcurrencySlotAcquisitionError {
  return new ConcurrencySlotAcquisitionError(
    `Concurrency limits ${pythonList(names)} must be created before acquiring slots`,
  );
}

/** What a call that is not strict says instead. */
export function warnOfMissing(names: readonly string[]): void {
  console.warn(`Concurrency limits ${pythonList(names)} do not exist - skipping acquisition.`);
}

/** Prefect cancels the task and has no error for it; it logs this text. */
export function terminated(leaseId: string, cause: unknown): LeaseLostError {
  const consequence = 'Terminating execution to prevent over-allocation.';
  return new LeaseLostError(renewalFailed(leaseId, consequence, cause), { lease: leaseId }, { cause });
}

export function warnOfLoss(leaseId: string, cause: unknown): void {
  const consequence = 'Execution will continue, but concurrency limits may be exceeded.';
  console.warn(renewalFailed(leaseId, consequence, cause));
}

function renewalFailed(leaseId: string, consequence: string, cause: unknown): string {
  const seen = cause instanceof Error ? cause.message : String(cause);
  return `Concurrency lease renewal failed - slots are no longer reserved. ${consequence} Lease ID: ${leaseId}, exception: ${seen}`;
}
