/** The default keeper, for a program that needs only one: it connects at first use, and again after `close()`. */

import type { AcquireOptions, RateOptions, TryOptions } from './acquire-call.ts';
import { lazyKeeper } from './connect.ts';
import type { Body, Keeper, RateTaken } from './keeper.ts';
import type { Lease } from './lease.ts';
import type { Declared, Limits, NamesIn } from './register.ts';

let keeper: Keeper | undefined;

function theKeeper(): Keeper {
  if (!keeper || keeper.status === 'closed') keeper = lazyKeeper();
  return keeper;
}

/**
 * `concurrency` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too.
 *
 * @example
 * await concurrency('db', () => query('select …')); // what `query()` resolved to
 */
export function concurrency<T, const L extends Limits>(limits: Declared<L>, body: Body<T, NamesIn<L>>): Promise<T>;
export function concurrency<T, const L extends Limits>(
  limits: Declared<L>,
  options: AcquireOptions | undefined,
  body: Body<T, NamesIn<L>>,
): Promise<T>;
export function concurrency(...args: unknown[]): Promise<unknown> {
  const keeper: { concurrency(...args: unknown[]): Promise<unknown> } = theKeeper();
  return keeper.concurrency(...args);
}

/**
 * `acquire` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too.
 *
 * @example
 * await using lease = await acquire('db'); // given back at the end of the scope
 */
export function acquire<const L extends Limits>(
  limits: Declared<L>,
  options?: AcquireOptions,
): Promise<Lease<NamesIn<L>>> {
  return theKeeper().acquire(limits, options);
}

/**
 * `tryAcquire` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too.
 *
 * @example
 * await tryAcquire('db'); // undefined: it is busy
 */
export function tryAcquire<const L extends Limits>(
  limits: Declared<L>,
  options?: TryOptions,
): Promise<Lease<NamesIn<L>> | undefined> {
  return theKeeper().tryAcquire(limits, options);
}

/**
 * `rateLimit` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too.
 *
 * @example
 * await rateLimit('emails'); // { limits: [{ name: 'emails', slots: 1 }], waitedSeconds: 0 }
 */
export function rateLimit<const L extends Limits>(limits: Declared<L>, options?: RateOptions): Promise<RateTaken> {
  return theKeeper().rateLimit(limits, options);
}

/**
 * Closes the default keeper, if there is one: see `Keeper`. The next call connects again.
 *
 * @example
 * await close(); // all its slots are free
 */
export async function close(): Promise<void> {
  await keeper?.close();
}
