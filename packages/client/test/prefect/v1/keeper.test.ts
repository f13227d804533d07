/** `slotkeeper/v1` over our own protocol, with the engine in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connect } from '../../../src/index.ts';
import {
  AcquireConcurrencySlotTimeoutError,
  ConcurrencyContext,
  ConcurrencySlotAcquisitionError,
  close,
  concurrency,
} from '../../../src/prefect/v1/index.ts';

const RUN = '0196a2c4-7c1e-7d55-8a86-0d1f6a3f9b01';
const OTHER_RUN = '0196a2c4-7c1e-7d55-8a86-0d1f6a3f9b02';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotkeeper-v1-'));
  const url = `embedded:${join(folder, 'slots.db')}`;
  await using keeper = await connect(url);
  await keeper.limits.set('tag:db', { slots: 1 });
  await keeper.limits.set('tag:gpu', { slots: 1 });
  await keeper.limits.set('tag:none', { slots: 0 });
  vi.stubEnv('SLOTKEEPER_URL', url);
});

afterEach(async () => {
  await close();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Whether one slot of each tag is free. */
async function areFree(...tags: string[]): Promise<boolean> {
  return concurrency(tags, OTHER_RUN, { timeoutSeconds: 0 }, () => true).catch(() => false);
}

test('the tag T is the limit named tag:T; a tag without a limit limits nothing, and nobody is warned of it', async () => {
  const warned = vi.spyOn(process, 'emitWarning');
  await concurrency(['db', 'a tag without a limit'], RUN, {}, async () => {
    expect(await areFree('db')).toBe(false);
    expect(await areFree('gpu')).toBe(true);
  });
  expect(await areFree('db')).toBe(true);
  expect(warned.mock.calls.filter(([, options]) => Object(options).type === 'SlotkeeperWarning')).toEqual([]);
  warned.mockRestore();
});

describe('what is not allowed is refused by its field, and nothing is taken', () => {
  const untyped = concurrency as unknown as (...args: unknown[]) => Promise<unknown>;
  test.each<[field: string, ...args: unknown[]]>([
    ['names', 5, RUN],
    ['names', undefined, RUN],
    ['names', [5], RUN],
    ['names', [''], RUN],
    ['names', 'a/b', RUN],
    ['taskRunId', 'db', undefined],
    ['taskRunId', 'db', 'nightly'],
    ['options', 'db', RUN, () => 'not to be run'],
    ['options', 'db', RUN, null],
    ['timeoutSecond', 'db', RUN, { timeoutSecond: 1 }],
    ['timeoutSeconds', 'db', RUN, { timeoutSeconds: null }],
    ['signal', 'db', RUN, { signal: null }],
    ['body', 'db', RUN, {}, 5],
    ['body', 'db', RUN, {}, null],
  ])('%s', async (field, ...args) => {
    await expect(untyped(...args)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
    expect(await areFree('db')).toBe(true);
  });
});

test('a task run may be told in any form of a UUID', async () => {
  for (const id of [RUN.toUpperCase(), RUN.replaceAll('-', '')])
    expect(await concurrency('db', id, {}, () => 'done')).toBe('done');
});

test('a waiter has the slot once it is given back', async () => {
  const scope = await concurrency('db', RUN);
  const waiter = concurrency('db', OTHER_RUN, {}, () => 'granted');
  await scope[Symbol.asyncDispose]();
  expect(await waiter).toBe('granted');
});

test('a timeout is the one of the seed, with ours as its cause', async () => {
  await concurrency('db', RUN, {}, async () => {
    const failure = await concurrency('db', OTHER_RUN, { timeoutSeconds: 0.05 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AcquireConcurrencySlotTimeoutError);
    expect(failure).toMatchObject({
      message: 'Attempt to acquire concurrency limits timed out after 0.05 second(s)',
      cause: { code: 'ACQUIRE_TIMEOUT' },
    });
  });
});

test('a limit of 0 among the names is refused, and nothing is taken of the others', async () => {
  const failure = await concurrency(['db', 'none'], RUN).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
  expect(failure).toMatchObject({
    message: "Unable to acquire concurrency limits ['db', 'none']",
    cause: { code: 'REQUEST_TOO_LARGE' },
  });
  expect(await areFree('db')).toBe(true);
});

test('a signal ends the wait with its reason', async () => {
  await concurrency('db', RUN, {}, async () => {
    const caller = new AbortController();
    const waiter = concurrency('db', OTHER_RUN, { signal: caller.signal });
    caller.abort('no longer needed');
    await expect(waiter).rejects.toBe('no longer needed');
  });
  expect(await areFree('db')).toBe(true);
});

test('a release that is cancelled is made up for as the context exits', async () => {
  const caller = new AbortController();
  await ConcurrencyContext.run(async ({ cleanupSlots }) => {
    await concurrency(['db', 'gpu'], RUN, { signal: caller.signal }, () => caller.abort());
    expect(cleanupSlots).toEqual([[['db', 'gpu'], expect.any(Number), RUN]]);
    expect(await areFree('db')).toBe(false);
  });
  expect(await areFree('db', 'gpu')).toBe(true);
});

test('an exit gives back what was cancelled, and nothing that others hold', async () => {
  const caller = new AbortController();
  await concurrency('gpu', OTHER_RUN, {}, async () => {
    await ConcurrencyContext.run(() => concurrency('db', RUN, { signal: caller.signal }, () => caller.abort()));
    expect(await areFree('db')).toBe(true);
    expect(await areFree('gpu')).toBe(false);
  });
});
