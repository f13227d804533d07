/** Prefect's `prefect.concurrency.asyncio` (global limits, API v2), name for name, over Slotkeeper or any Prefect server. */
import '../../node-version.ts';

export { LeaseLostError } from '../../errors.ts';
export { type ConcurrencyOptions, concurrency } from './concurrency.ts';
export { ConcurrencyContext } from './context.ts';
export { AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError } from './errors.ts';
export { type RateLimitOptions, rateLimit } from './rate-limit.ts';
export type { ConcurrencyScope } from './scope.ts';
export { close } from './services.ts';
export type { ConcurrencyLeaseHolder } from './slot-service.ts';
