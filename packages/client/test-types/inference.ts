/** What compiles and what does not. It is compiled, never run (types.slow.test.ts). */
import {
  type AcquireTimeoutError,
  acquire,
  type ConflictError,
  type Explanation,
  type Keeper,
  type Lease,
  type Limit,
  type Limits,
  SlotkeeperError,
  tryAcquire,
} from 'slotkeeper';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void {}

export async function whatIsInferred(keeper: Keeper, user: number): Promise<void> {
  const rows = await keeper.concurrency('db', async () => [1, 2]);
  same<typeof rows, number[]>();

  const sync = await keeper.concurrency({ db: 1, gpu: 2 }, { timeoutSeconds: 5 }, (lease) => {
    same<typeof lease, Lease<'db' | 'gpu'>>();
    same<typeof lease.signal, AbortSignal>();
    return 'done' as const;
  });
  same<typeof sync, 'done'>();

  const lease = await keeper.acquire(['db', 'gpu']);
  same<(typeof lease.limits)[number]['name'], 'db' | 'gpu'>();
  const mine = await tryAcquire('reindex', { signal: new AbortController().signal });
  same<typeof mine, Lease<'reindex'> | undefined>();

  const keyed = await keeper.acquire(`user-${user}`);
  same<typeof keyed, Lease<`user-${number}`>>();
  await keeper.concurrency([`user-${user}`, 'db'], () => {});
  await keeper.concurrency({ [`user-${user}`]: 1, db: 2 }, () => {});
  const either = (wide: boolean): Limits => (wide ? ['db', 'gpu'] : { db: 2 });
  await keeper.acquire(either(true));

  const names: string[] = [];
  const many = await acquire(names);
  same<typeof many, Lease<string>>();
  const amounts: Record<string, number> = {};
  await keeper.concurrency(amounts, () => {});

  await using scoped = await keeper.acquire('db');
  same<typeof scoped.token, number>();
  for await (const limit of keeper.limits.list()) same<typeof limit, Limit>();
}

export function whatAnErrorIs(error: unknown): Explanation | undefined {
  if (SlotkeeperError.is(error, 'CONFLICT')) same<typeof error, ConflictError>();
  if (SlotkeeperError.is(error, 'ACQUIRE_TIMEOUT')) {
    same<typeof error, AcquireTimeoutError>();
    same<typeof error.code, 'ACQUIRE_TIMEOUT'>();
    return error.explanation;
  }
  return undefined;
}

export async function whatDoesNotCompile(keeper: Keeper): Promise<void> {
  // @ts-expect-error a body is what it is for; acquire() is for scopes
  await keeper.concurrency('db');
  // @ts-expect-error options are no body
  await keeper.concurrency('db', { timeoutSeconds: 5 });
  // @ts-expect-error seconds are a number
  await keeper.acquire('db', { timeoutSeconds: '5' });
  // @ts-expect-error it is called timeoutSeconds
  await keeper.acquire('db', { timeout: 5 });
  // @ts-expect-error a try does not wait
  await keeper.tryAcquire('db', { timeoutSeconds: 5 });
  // @ts-expect-error slots are a number
  await keeper.acquire({ db: '1' });
  // @ts-expect-error a limit that is created needs slots
  await keeper.limits.ensure('db', { description: 'x' });
  // @ts-expect-error a missing limit is created with slots
  await keeper.acquire('db', { onMissing: { description: 'x' } });
  // @ts-expect-error there is no such setting
  await keeper.limits.set('db', { slot: 1 });
  const mine = await keeper.tryAcquire('db');
  // @ts-expect-error it may be busy
  await mine.release();
  // @ts-expect-error nobody changes a limit by writing to what was read
  (await keeper.limits.get('db')).slots = 5;
  // @ts-expect-error there is no such code
  SlotkeeperError.is(undefined, 'TIMEOUT');
}
