/** The engine in this process: what it checks, and files that cannot be opened. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../src/index.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotkeeper-embedded-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('a file that another has is a conflict', async () => {
  const url = `embedded:${join(folder, 'slots.db')}`;
  await using _keeper = await connect(url);
  await expect(connect(url)).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { address: url, reason: 'IN_USE' },
    message: expect.stringContaining('in use'),
    cause: { name: 'JournalError' },
  });
});

test('a lease can be checked', async () => {
  await using keeper = await connect('embedded:');
  await keeper.limits.ensure('db', { slots: 1 });
  const lease = await keeper.acquire('db');
  expect(await lease.check()).toBe(true);
  await lease.release();
  expect(await lease.check()).toBe(false);
});

test('a file of another kind cannot be opened', async () => {
  const file = join(folder, 'slots.db');
  await writeFile(file, 'x'.repeat(5_000));
  await expect(connect(`embedded:${file}`)).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    details: { reason: 'DAMAGED' },
    message: expect.stringContaining(file),
    cause: { name: 'JournalError' },
  });
});

test('a folder that does not exist is told as such', async () => {
  await expect(connect(`embedded:${join(folder, 'none', 'slots.db')}`)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    details: { field: 'url' },
    message: expect.stringContaining('its folder does not exist'),
  });
});

test('limits that are missing are told as one, or as several', async () => {
  await using keeper = await connect('embedded:');
  await expect(keeper.acquire('a')).rejects.toThrow("There is no limit named 'a'. Create it");
  await expect(keeper.acquire(['a', 'b'])).rejects.toThrow("There are no limits named 'a', 'b'. Create them");
});

test('a limit whose name looks like that of another is not made, and asking for it says which there is', async () => {
  await using keeper = await connect('embedded:');
  await keeper.limits.ensure('db', { slots: 1 });
  for (const call of [keeper.limits.ensure('db ', { slots: 9 }), keeper.limits.set('db\u200b', { slots: 9 })])
    await expect(call).rejects.toMatchObject({ code: 'CONFLICT', details: { lookAlike: 'db' } });
  await expect(keeper.acquire('db ')).rejects.toMatchObject({
    code: 'LIMIT_NOT_FOUND',
    message:
      "There is no limit named 'db '. 'db ' looks the same as 'db', which there is. Ask for the one that there is.",
  });
  await expect(keeper.limits.ensure('db', { slots: 9 })).resolves.toMatchObject({ name: 'db', slots: 1 });
});

test('an option or a setting that is unknown is answered with those that there are, and no others', async () => {
  await using keeper = await connect('embedded:');
  const reason = async (call: Promise<unknown>) =>
    call.then(
      () => 'it was taken',
      (error: { details: { reason: string } }) => error.details.reason,
    );
  const acquired = await reason(keeper.acquire('db', { colour: 'red' } as object));
  expect(acquired).toContain('timeoutSeconds');
  expect(acquired).not.toContain('refunds');
  const set = await reason(keeper.limits.set('db', { colour: 'red' } as object));
  expect(set).toMatch(/slotDecayPerSecond.*, rate$/);
  await expect(keeper.limits.ensure('emails', { slots: 1, rate: '60/min' })).resolves.toMatchObject({
    rate: '1/second',
  });
});

test('who asks for a limit that is not there is told what there is for that', async () => {
  await using keeper = await connect('embedded:');
  const called = await keeper.limits.get('db').catch((error: Error) => error.message);
  expect(called).toBe("There is no limit named 'db'. See which there are (limits.list), or create it (limits.ensure).");
  await expect(keeper.acquire('db')).rejects.toThrow('onMissing');
});
