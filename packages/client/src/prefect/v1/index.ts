/** Prefect's `prefect.concurrency.v1.asyncio`, name for name, over Slotkeeper or any Prefect server. */
import '../../node-version.ts';

export { type ConcurrencyOptions, concurrency } from './concurrency.ts';
export { type CleanupSlots, ConcurrencyContext } from './context.ts';
export { AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError } from './errors.ts';
export { close } from './services.ts';
