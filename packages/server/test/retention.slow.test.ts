/** The file of a server that writes on and on stays within its bound, and shrinks when the bound does. */
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { canonical } from '@slotkeeper/engine';
import { SqliteJournal } from '@slotkeeper/journal';
import { expect, it, onTestFinished } from 'vitest';
import { realClock } from '../src/clock.ts';
import type { Retention } from '../src/replica/compaction.ts';
import { Replica } from '../src/replica/replica.ts';
import { acquire, ensure, open } from './commands.ts';

const MIB = 2 ** 20;
/** What is written between two snapshots at the least, and the log (docs/operations.md). */
const SLACK_BYTES = 4 * MIB + 8 * MIB;

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-retention-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const start = (folder: string, bytes: number): Promise<Replica> => {
  const retention: Retention = { ageMs: 7 * 86_400_000, bytes };
  return Replica.start(() => new SqliteJournal({ folder }, realClock), realClock, { retention });
};

const durable = (replica: Replica): Promise<void> => new Promise((resolve) => replica.confirm(() => resolve()));

function sizeOf(folder: string): number {
  return ['slotkeeper.db', 'slotkeeper.db-wal']
    .map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}

/** Facts of about `bytes` bytes. Returns the largest size of the files meanwhile. */
async function write(replica: Replica, folder: string, bytes: number): Promise<number> {
  const label = 'x'.repeat(1_000);
  let most = 0;
  for (let written = 0; written < bytes; ) {
    for (let i = 0; i < 100; i += 1, written += 1_150) {
      const command = acquire('s', 'lease', 'db');
      if (command.type !== 'acquire') throw new Error('an acquire');
      const { request } = command;
      replica.submit({ ...command, request: { ...request, holder: { ...request.holder, label } } });
      const token = replica.engine.state.leases.get('lease')?.token as number;
      replica.submit({ type: 'release', sessionId: 's', leaseId: 'lease', token });
    }
    await durable(replica);
    most = Math.max(most, sizeOf(folder));
  }
  return most;
}

it('eighty MiB of history through a bound of eight leave a file within the bound and its slack, and the same state', async () => {
  const folder = await newFolder();
  const replica = await start(folder, 8 * MIB);
  replica.submit(ensure('db'));
  replica.submit({ ...open('s'), ttlMs: 300_000 });
  replica.submit({ type: 'limit.set', name: 'kept', id: 'kept', patch: { slots: 7 } });
  expect(await write(replica, folder, 80 * MIB)).toBeLessThan(8 * MIB + (8 * MIB) / 8 + SLACK_BYTES);
  await expect(replica.read(0, 1)).rejects.toMatchObject({ code: 'HISTORY_GONE' });
  expect(await replica.read(replica.durablePosition - 1_000, 2_000)).toHaveLength(1_000);
  const before = canonical(replica.engine.state);
  await replica.stop();
  const again = await start(folder, 8 * MIB);
  expect(again.engine.state.limits.get('kept')).toBeDefined();
  expect(JSON.parse(before).limits).toEqual(JSON.parse(canonical(again.engine.state)).limits);
  await again.stop();
}, 120_000);

it('a narrower bound trims the history of before, and the file gives the space back', async () => {
  const folder = await newFolder();
  const wide = await start(folder, 1_024 * MIB);
  wide.submit(ensure('db'));
  wide.submit({ ...open('s'), ttlMs: 300_000 });
  await write(wide, folder, 40 * MIB);
  await wide.stop();
  expect(sizeOf(folder)).toBeGreaterThan(40 * MIB);
  const narrow = await start(folder, 2 * MIB);
  await expect.poll(() => sizeOf(folder), { timeout: 30_000 }).toBeLessThan(2 * MIB + SLACK_BYTES);
  await narrow.stop();
}, 120_000);

it('a file that was made without it shrinks once it is written anew, as docs/operations.md says', async () => {
  const folder = await newFolder();
  await (await start(folder, 1_024 * MIB)).stop();
  const file = join(folder, 'slotkeeper.db');
  const alter = (sql: string): void => {
    const db = new DatabaseSync(file);
    db.exec(sql);
    db.close();
  };
  alter('PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = 0; VACUUM');
  const old = await start(folder, 1_024 * MIB);
  old.submit(ensure('db'));
  old.submit({ ...open('s'), ttlMs: 300_000 });
  await write(old, folder, 20 * MIB);
  await old.stop();
  const narrow = await start(folder, 2 * MIB);
  await expect
    .poll(
      () =>
        narrow.read(0, 1).then(
          () => 'there',
          (error) => error.code,
        ),
      { timeout: 30_000 },
    )
    .toBe('HISTORY_GONE');
  await narrow.stop();
  expect(sizeOf(folder)).toBeGreaterThan(20 * MIB);
  alter('PRAGMA auto_vacuum = 2; VACUUM');
  expect(sizeOf(folder)).toBeLessThan(20 * MIB);
  await (await start(folder, 2 * MIB)).stop();
  const db = new DatabaseSync(file);
  expect(db.prepare('PRAGMA auto_vacuum').get()).toEqual({ auto_vacuum: 2 });
  db.close();
}, 120_000);
