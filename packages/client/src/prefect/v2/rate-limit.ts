/** Prefect's `rate_limit`: wait until it may go on. */
import { boolean, slotsToTake } from '@slotkeeper/shape';
import { optionsCheck, signal, timeoutSeconds } from '../../option-fields.ts';
import { refuse } from '../../refuse.ts';
import { acquiring, type WaitOptions } from '../shared/acquiring.ts';
import { checkNames, type Names, namesOf } from '../shared/names.ts';
import { AcquireConcurrencySlotTimeoutError, limitsMissing, unableToAcquire, warnOfMissing } from './errors.ts';
import { servers } from './services.ts';

export interface RateLimitOptions extends WaitOptions {
  /** How many slots of each limit. Default: 1. */
  readonly occupy?: number | undefined;
  /** Whether it is an error if none of these limits exists. Default: false. */
  readonly strict?: boolean | undefined;
}

/**
 * Takes slots of each of these limits, which come back by themselves with the limits' decay. Resolves once it may go on.
 *
 * @param names global limits with a decay, all or nothing; a name without a limit limits nothing. Without names no server is asked
 * @throws {InvalidRequestError} if an argument is not what it must be; the message names it, and nothing was asked
 * @throws {AcquireConcurrencySlotTimeoutError} if they were not free within `timeoutSeconds`
 * @throws {ConcurrencySlotAcquisitionError} if they cannot be taken (`cause` says why: a limit without decay, say), or a strict call finds no limits
 * @throws the signal's reason, if that aborts while it waits
 *
 * @example
 * for (const mail of mails) {
 *   await rateLimit('emails', { timeoutSeconds: 60 }); // undefined, as soon as the limit's decay has made room
 *   await send(mail);
 * }
 */
export async function rateLimit(names: Names, options: RateLimitOptions = {}): Promise<void> {
  refuse(checkNames(names, 'names') ?? checkRateLimitOptions(options));
  const asked = namesOf(names);
  if (asked.length === 0) return;
  const { occupy: slots = 1, strict = false } = options;
  const failure = (cause: unknown): Error => unableToAcquire(asked, cause);
  const request = { names: [...new Set(asked)], slots };
  const errors = { Timeout: AcquireConcurrencySlotTimeoutError, failure };
  const found = await acquiring(servers, options, errors, (service, deadline) => service.spend(request, deadline));
  if (found) return;
  if (strict) throw limitsMissing(asked);
  warnOfMissing(asked);
}

const checkRateLimitOptions = optionsCheck<RateLimitOptions>({
  occupy: slotsToTake,
  timeoutSeconds,
  strict: boolean,
  signal,
});
