/** The keeper of a program that has no other: connected at first use, again after `close()`. */
import { lazyKeeper } from './connect.ts';
import type { Body, Keeper } from './keeper.ts';
import type { Lease } from './lease.ts';
import type { LimitName, Limits } from './register.ts';
import type { AcquireOptions, TryOptions } from './wish.ts';

let keeper: Keeper | undefined;

function theKeeper(): Keeper {
  if (!keeper || keeper.status === 'closed') keeper = lazyKeeper();
  return keeper;
}

/** `concurrency` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too. */
export function concurrency<T, const N extends LimitName>(limits: Limits<N>, body: Body<T, N>): Promise<T>;
export function concurrency<T, const N extends LimitName>(
  limits: Limits<N>,
  options: AcquireOptions | undefined,
  body: Body<T, N>,
): Promise<T>;
export function concurrency<T, N extends LimitName>(
  ...args: [Limits<N>, Body<T, N>] | [Limits<N>, AcquireOptions | undefined, Body<T, N>]
): Promise<T> {
  return theKeeper().concurrency(...(args as [Limits<N>, AcquireOptions, Body<T, N>]));
}

/** `acquire` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too. */
export function acquire<const N extends LimitName>(limits: Limits<N>, options?: AcquireOptions): Promise<Lease<N>> {
  return theKeeper().acquire(limits, options);
}

/** `tryAcquire` of the default keeper, which connects at first use: see `Keeper`. Rejects with `SERVER_UNREACHABLE`, too. */
export function tryAcquire<const N extends LimitName>(
  limits: Limits<N>,
  options?: TryOptions,
): Promise<Lease<N> | undefined> {
  return theKeeper().tryAcquire(limits, options);
}

/** Closes the default keeper, if there is one: see `Keeper`. The next call connects anew. */
export async function close(): Promise<void> {
  await keeper?.close();
}
