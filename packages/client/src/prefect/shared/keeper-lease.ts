/** Leases over our own protocol, on the terms that Prefect's programs expect. */

import type { AcquireOptions } from '../../acquire-call.ts';
import { SlotkeeperError } from '../../errors.ts';
import type { Keeper } from '../../keeper.ts';
import type { Lease } from '../../lease.ts';
import type { Deadline } from './deadline.ts';

/** What the two systems ask for differently. */
export type LeaseTerms = Pick<AcquireOptions, 'slots' | 'holder' | 'onLost'>;

/**
 * Takes a lease.
 *
 * @param waitSecondsMax how long to wait at the most; then it rejects as the keeper does, not as the deadline does
 * @throws the deadline's error once that is over
 */
export async function acquireLease(
  keeper: Keeper,
  names: readonly string[],
  terms: LeaseTerms,
  deadline: Deadline,
  waitSecondsMax = Number.POSITIVE_INFINITY,
): Promise<Lease> {
  const secondsLeft = deadline.secondsLeft ?? Number.POSITIVE_INFINITY;
  const seconds = Math.min(secondsLeft, waitSecondsMax);
  const acquire = (): Promise<Lease> =>
    keeper.acquire(names, {
      ...terms,
      timeoutSeconds: Number.isFinite(seconds) ? seconds : undefined,
      signal: deadline.callersSignal,
      onMissing: 'allow',
      // What Prefect's leases take of a rate is given back when they end.
      refunds: true,
    });
  return waitSecondsMax < secondsLeft ? acquire() : inTime(deadline, acquire);
}

/** Settles as `ask` does. That the time is over is said in the words of the deadline. */
export async function inTime<T>(deadline: Deadline, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw SlotkeeperError.is(error, 'ACQUIRE_TIMEOUT') ? deadline.timeoutError({ cause: error }) : error;
  }
}
