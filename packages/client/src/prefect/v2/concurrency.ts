/** Prefect's v2 `concurrency`: takes slots, runs the body, and gives the slots back however the body ends. */
import { boolean, checkedBy, number, object, oneOf, seen, shape, slotsToTake } from '@slotkeeper/shape';
import { callback, optionsCheck, signal, timeoutSeconds } from '../../option-fields.ts';
import { refuse } from '../../refuse.ts';
import { acquiring, type WaitOptions } from '../shared/acquiring.ts';
import { checkNames, type Names, namesOf } from '../shared/names.ts';
import { checkUuid } from '../shared/uuid.ts';
import { AcquireConcurrencySlotTimeoutError, limitsMissing, unableToAcquire, warnOfMissing } from './errors.ts';
import { type ConcurrencyScope, Scope } from './scope.ts';
import { servers } from './services.ts';
import type { ConcurrencyLeaseHolder, Hold } from './slot-service.ts';

export interface ConcurrencyOptions extends WaitOptions {
  /** Gives up the wait. In a `ConcurrencyContext` it also cancels the release; the context's exit makes up for it. */
  readonly signal?: AbortSignal | undefined;
  /** How many slots of each limit. Default: 1. */
  readonly occupy?: number | undefined;
  /**
   * How often to ask again while the slots are taken; none: without end. Over a session nothing is asked again: each retry
   * is worth two seconds in the wait queue, and 0 retries mean at once or not at all.
   */
  readonly maxRetries?: number | undefined;
  /**
   * How many seconds the slots stay taken after the last renewal, 60 … 86,400. Default: 300. Over a session it is always 15 s,
   * the keeper's time to live.
   */
  readonly leaseDuration?: number | undefined;
  /** Whether it is an error if none of these limits exists, and whether a lost lease ends the body. Default: false. */
  readonly strict?: boolean | undefined;
  /** Whether a lost lease ends the body; otherwise there is only a warning. Default: the value of `strict`. */
  readonly raiseOnLeaseRenewalFailure?: boolean | undefined;
  /** Who the slots belong to, for people. */
  readonly holder?: ConcurrencyLeaseHolder | undefined;
}

const LEASE_SECONDS = 300;

/**
 * Holds slots of each of these limits while the body runs; without a body, until the scope it resolves to is disposed of.
 * The lease is renewed meanwhile.
 *
 * @param names global limits, all or nothing; a name without a limit limits nothing. Without names no server is asked
 * @param body runs while the slots are held; it should end when `scope.signal` aborts
 * @returns what the body resolves to; rejects with what it throws. The slots are given back by then
 * @throws {InvalidRequestError} if an argument is not what it must be; the message names it, and nothing was asked
 * @throws {AcquireConcurrencySlotTimeoutError} if they were not free within `timeoutSeconds`
 * @throws {ConcurrencySlotAcquisitionError} if they cannot be taken (`cause` says why), or a strict call finds no limits
 * @throws {LeaseLostError} if a strict call's lease cannot be renewed; the call does not wait for the body then
 * @throws the signal's reason, if that aborts while it waits
 *
 * @example
 * const rows = await concurrency('db', { occupy: 2, strict: true }, ({ signal }) => query('select …', { signal }));
 * // `rows` is what `query()` resolved to; two slots of `db` were its own meanwhile, and are free again
 */
export async function concurrency(names: Names, options?: ConcurrencyOptions): Promise<ConcurrencyScope>;
export async function concurrency<T>(
  names: Names,
  options: ConcurrencyOptions | undefined,
  body: (scope: ConcurrencyScope) => T | PromiseLike<T>,
): Promise<T>;
export async function concurrency<T>(
  names: Names,
  options: ConcurrencyOptions = {},
  body?: (scope: ConcurrencyScope) => T | PromiseLike<T>,
): Promise<ConcurrencyScope | T> {
  refuse(
    checkNames(names, 'names') ??
      checkConcurrencyOptions(options) ??
      (body === undefined ? undefined : callback.check(body, 'body')),
  );
  const { strict = false, raiseOnLeaseRenewalFailure: endsWhenLost = strict, signal } = options;
  const hold = await acquire(namesOf(names), options, endsWhenLost);
  const scope = new Scope(hold, { signal, endsWhenLost });
  return body === undefined ? scope : scope.run(body);
}

async function acquire(
  names: readonly string[],
  options: ConcurrencyOptions,
  stopsWhenUnsure: boolean,
): Promise<Hold | undefined> {
  if (names.length === 0) return undefined;
  const {
    occupy: slots = 1,
    leaseDuration: leaseDurationSeconds = LEASE_SECONDS,
    maxRetries,
    strict,
    holder,
  } = options;
  const request = { names: [...new Set(names)], slots, leaseDurationSeconds, maxRetries, holder, stopsWhenUnsure };
  const failure = (cause: unknown): Error => unableToAcquire(names, cause);
  const errors = { Timeout: AcquireConcurrencySlotTimeoutError, failure };
  const hold = await acquiring(servers, options, errors, (service, deadline) => service.acquire(request, deadline));
  if (hold === undefined) {
    if (strict) throw limitsMissing(names);
    warnOfMissing(names);
  }
  return hold;
}

const maxRetries = checkedBy<number>((retries, field) =>
  Number.isSafeInteger(retries) && (retries as number) >= 0
    ? undefined
    : { field, reason: `must be a whole number from 0, but was ${seen(retries)}` },
);

const holder = shape<ConcurrencyLeaseHolder>({
  type: oneOf('flow_run', 'task_run', 'deployment'),
  id: checkedBy(checkUuid),
});

const checkConcurrencyOptions = optionsCheck<ConcurrencyOptions>({
  occupy: slotsToTake,
  timeoutSeconds,
  maxRetries,
  leaseDuration: number(60, 86_400),
  strict: boolean,
  raiseOnLeaseRenewalFailure: boolean,
  holder: object(holder),
  signal,
});
