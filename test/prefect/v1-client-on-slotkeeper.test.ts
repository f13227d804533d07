/** `slotkeeper/v1` pointed at our server by the address that Prefect's programs use. */
import { randomUUID } from 'node:crypto';
import { connect } from 'slotkeeper';
import { AcquireConcurrencySlotTimeoutError, close, concurrency } from 'slotkeeper/v1';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ServerProcess } from '../server-process.ts';

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start();
  vi.stubEnv('SLOTKEEPER_URL', undefined);
  vi.stubEnv('PREFECT_API_URL', `${server.url}/api`);
});

afterAll(async () => {
  await close();
  await server?.[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

test('our server is detected at its Prefect API and spoken to by the session protocol', async () => {
  await using keeper = await connect(server.url);
  await keeper.limits.set('tag:detected', { slots: 1 });
  const run = randomUUID();
  const holders = await concurrency('detected', run, {}, () => keeper.holders('tag:detected'));
  // Only a holder with a session has told its process.
  expect(holders.map(({ holder }) => holder)).toMatchObject([{ type: 'task_run', id: run, pid: process.pid }]);
  expect(await keeper.holders('tag:detected')).toEqual([]);
});

test('a holder over REST and one with a session compete for the same slot', async () => {
  const overRest = randomUUID();
  const names = ['shared'];
  expect(await ask('/concurrency_limits/', { tag: 'shared', concurrency_limit: 1 })).toBe(201);
  expect(await ask('/concurrency_limits/increment', { names, task_run_id: overRest })).toBe(200);
  const tried = concurrency(names, randomUUID(), { timeoutSeconds: 0 });
  await expect(tried).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
  const waiter = concurrency(names, randomUUID(), {}, () => 'granted');
  expect(await ask('/concurrency_limits/decrement', { names, task_run_id: overRest })).toBe(200);
  expect(await waiter).toBe('granted');
});

async function ask(path: string, body: unknown): Promise<number> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${server.url}/api${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.status;
}
