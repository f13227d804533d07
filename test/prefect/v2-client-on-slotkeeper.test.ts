/** `slotkeeper/prefect` pointed at our server by the address that Prefect's programs use. */
import { randomUUID } from 'node:crypto';
import { connect, type Keeper } from 'slotkeeper';
import { AcquireConcurrencySlotTimeoutError, close, concurrency, LeaseLostError, rateLimit } from 'slotkeeper/prefect';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { eventually } from '../eventually.ts';
import { runProgram } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { PythonProgram } from './python-program.ts';

let server: ServerProcess;
let keeper: Keeper;

beforeAll(async () => {
  server = await ServerProcess.start();
  keeper = await connect(server.url);
  vi.stubEnv('SLOTKEEPER_URL', undefined);
  vi.stubEnv('PREFECT_API_URL', `${server.url}/api`);
});

afterAll(async () => {
  await close();
  await keeper?.close();
  await server?.[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

test('our server is detected at its Prefect API and spoken to by the session protocol', async () => {
  await keeper.limits.set('detected', { slots: 2 });
  const holder = { type: 'flow_run', id: randomUUID() } as const;
  const holders = await concurrency('detected', { holder, occupy: 2 }, () => keeper.holders('detected'));
  // Only a holder with a session has told its process.
  expect(holders).toMatchObject([{ limits: [{ slots: 2 }], holder: { ...holder, pid: process.pid } }]);
  expect(await keeper.holders('detected')).toEqual([]);
});

test('a strict call whose limit is deleted under it ends, and says why', async () => {
  await keeper.limits.set('doomed', { slots: 1 });
  const begun = Promise.withResolvers<void>();
  const call = concurrency('doomed', { strict: true }, () => {
    begun.resolve();
    return new Promise(() => undefined);
  });
  const outcome = call.catch((error: unknown) => error);
  await begun.promise;
  await keeper.limits.delete('doomed', { force: true });
  const failure = await outcome;
  expect(failure).toBeInstanceOf(LeaseLostError);
  expect(failure).toMatchObject({ cause: { code: 'LEASE_REVOKED' } });
});

test('a rate that native clients use, too, is taken from', async () => {
  await keeper.limits.set('emails', { slots: 1, slotDecayPerSecond: 1e-6 });
  await rateLimit('emails');
  await expect(keeper.rateLimit('emails', { timeoutSeconds: 0 })).rejects.toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
});

test('examples/prefect-v2.ts runs as it is written', async () => {
  await keeper.limits.set('database', { slots: 2 });
  await keeper.limits.set('api', { slots: 10, slotDecayPerSecond: 5 });
  const env = { SLOTKEEPER_URL: '', PREFECT_API_URL: `${server.url}/api` };
  const ended = await runProgram(process.execPath, ['examples/prefect-v2.ts'], env);
  expect(ended).toEqual({ code: 0, output: 'north, south, east, west; at most 2 at once in this process\n' });
});

describeWithPython('programs in TypeScript and in Python on our server', () => {
  test('take turns with the slots of a limit', async () => {
    await keeper.limits.set('shared', { slots: 1 });
    const scope = await concurrency('shared');
    await using python = await PythonProgram.start('hold.py', ['async', 'shared', '{}'], {
      PREFECT_API_URL: `${server.url}/api`,
    });
    await eventually(async () => expect(await keeper.waiters('shared')).toHaveLength(1));
    await scope[Symbol.asyncDispose]();
    await python.said('held');
    await expect(concurrency('shared', { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    const waiter = concurrency('shared', {}, () => 'granted');
    await python.end();
    expect(await waiter).toBe('granted');
  });
});
