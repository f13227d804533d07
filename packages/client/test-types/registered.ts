/** Where a program declares the names of its limits. It is compiled, never run (types.slow.test.ts). */
import type { Keeper, Lease } from 'slotkeeper';

declare module 'slotkeeper' {
  interface Register {
    limit: 'db' | `llm:${string}`;
  }
}

export async function namesThatAreDeclared(keeper: Keeper): Promise<Lease<'db' | 'llm:acme'>> {
  await keeper.limits.ensure('db', { slots: 4 });
  await keeper.concurrency({ db: 1, 'llm:acme': 2 }, () => {});
  const tenant = 'acme';
  await keeper.acquire(`llm:${tenant}`);
  await keeper.concurrency([`llm:${tenant}`, 'db'], () => {});
  return keeper.acquire(['db', 'llm:acme']);
}

export async function namesThatAreNot(keeper: Keeper): Promise<void> {
  // @ts-expect-error a slip of the finger
  await keeper.acquire('bd');
  // @ts-expect-error in a list
  await keeper.acquire(['db', 'gpu']);
  // @ts-expect-error as an amount
  await keeper.concurrency({ gpu: 2 }, () => {});
  // @ts-expect-error among others
  await keeper.acquire({ db: 1, gpu: 2 });
  // @ts-expect-error as a limit
  await keeper.limits.get('gpu');
}
