/** `slotkeeper/prefect` over our own protocol, with the engine in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connect } from '../../../src/index.ts';
import {
  AcquireConcurrencySlotTimeoutError,
  ConcurrencyContext,
  ConcurrencySlotAcquisitionError,
  close,
  concurrency,
  LeaseLostError,
  rateLimit,
} from '../../../src/prefect/v2/index.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotkeeper-prefect-'));
  const url = `embedded:${join(folder, 'slots.db')}`;
  await using keeper = await connect(url);
  await keeper.limits.set('db', { slots: 2 });
  await keeper.limits.set('gpu', { slots: 1 });
  await keeper.limits.set('off', { slots: 1, active: false });
  await keeper.limits.set('emails', { slots: 1, slotDecayPerSecond: 1e-6 });
  vi.stubEnv('SLOTKEEPER_URL', url);
});

afterEach(async () => {
  await close();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

/** Whether so many slots of the limit are free. */
async function areFree(name: string, occupy = 1): Promise<boolean> {
  return concurrency(name, { occupy, timeoutSeconds: 0 }, () => true).catch(() => false);
}

test('so many slots of each limit are held while the body runs', async () => {
  await concurrency(['db', 'gpu'], {}, async () => {
    expect(await areFree('db', 1)).toBe(true);
    expect(await areFree('db', 2)).toBe(false);
    expect(await areFree('gpu')).toBe(false);
  });
  expect(await areFree('db', 2)).toBe(true);
  expect(await areFree('gpu')).toBe(true);
});

test('a waiter has the slots once they are given back', async () => {
  const scope = await concurrency('gpu');
  const waiter = concurrency('gpu', { maxRetries: 10 }, () => 'granted');
  await scope[Symbol.asyncDispose]();
  expect(await waiter).toBe('granted');
});

test("a timeout is Prefect's, with ours as its cause", async () => {
  await concurrency('gpu', {}, async () => {
    const failure = await concurrency('gpu', { timeoutSeconds: 0.05 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AcquireConcurrencySlotTimeoutError);
    expect(failure).toMatchObject({
      message: 'Attempt to acquire concurrency slots timed out after 0.05 second(s)',
      cause: { code: 'ACQUIRE_TIMEOUT' },
    });
  });
});

test('retries that are used up are no timeout', async () => {
  await concurrency('gpu', {}, async () => {
    const failure = await concurrency('gpu', { timeoutSeconds: 20, maxRetries: 0 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure).toMatchObject({
      message: expect.stringMatching(/^Unable to acquire concurrency slots on \['gpu'\]: ./),
      cause: { code: 'ACQUIRE_TIMEOUT' },
    });
  });
});

test('more than a limit has is refused, and nothing is taken of the others', async () => {
  const failure = await concurrency(['db', 'gpu'], { occupy: 2 }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
  expect(failure).toMatchObject({ cause: { code: 'REQUEST_TOO_LARGE' } });
  expect(await areFree('db', 2)).toBe(true);
});

test('limits that are not there limit nothing, with a warning; a strict call is refused', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  expect(await concurrency('none', {}, () => 'done')).toBe('done');
  await rateLimit('none');
  expect(warn.mock.calls.map(([text]) => text)).toEqual([
    "Concurrency limits ['none'] do not exist - skipping acquisition.",
    "Concurrency limits ['none'] do not exist - skipping acquisition.",
  ]);
  await expect(concurrency('none', { strict: true })).rejects.toThrow(
    "Concurrency limits ['none'] must be created before acquiring slots",
  );
  await expect(rateLimit('none', { strict: true })).rejects.toThrow('must be created');
  expect(await concurrency(['none', 'gpu'], { strict: true }, () => 'done')).toBe('done');
});

test('a limit that is switched off is there, as on a Prefect server', async () => {
  expect(await concurrency('off', { strict: true }, () => 'done')).toBe('done');
});

test('a rate is taken from and not given back; what is no rate is refused', async () => {
  await rateLimit('emails');
  await expect(rateLimit('emails', { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
  const failure = await rateLimit(['emails', 'gpu']).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
  expect(failure).toMatchObject({ cause: { code: 'INVALID_REQUEST' } });
});

test('what a lease takes of a rate comes back at its end', async () => {
  await concurrency('emails', {}, async () => expect(await areFree('emails')).toBe(false));
  expect(await areFree('emails')).toBe(true);
});

test('a signal ends the wait with its reason', async () => {
  await concurrency('gpu', {}, async () => {
    const caller = new AbortController();
    const waiter = concurrency('gpu', { signal: caller.signal });
    caller.abort('no longer needed');
    await expect(waiter).rejects.toBe('no longer needed');
  });
  expect(await areFree('gpu')).toBe(true);
});

test('a lease that is lost ends the body of a strict call', async () => {
  const begun = Promise.withResolvers<void>();
  const call = concurrency('gpu', { strict: true }, () => {
    begun.resolve();
    return new Promise(() => undefined);
  });
  await begun.promise;
  void close();
  const failure = await call.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(LeaseLostError);
  expect(failure).toMatchObject({
    message: expect.stringMatching(/^Concurrency lease renewal failed .* Terminating execution/),
    cause: { code: 'LEASE_LOST' },
  });
});

test('a release that is cancelled is made up for as the context exits', async () => {
  const caller = new AbortController();
  await ConcurrencyContext.run(async ({ cleanupLeaseIds }) => {
    await concurrency('gpu', { signal: caller.signal }, () => caller.abort());
    expect(cleanupLeaseIds).toHaveLength(1);
    expect(await areFree('gpu')).toBe(false);
  });
  expect(await areFree('gpu')).toBe(true);
});
