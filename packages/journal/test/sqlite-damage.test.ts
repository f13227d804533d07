import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { type JournalErrorCode, SqliteJournal } from '../src/index.ts';
import { contents, refused, trim } from './conformance.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';
import { newFolder, opened, readNumbered, seeded } from './sqlite-places.ts';

/** A closed journal of `batches` batches of ten facts, with a snapshot of the first half if it is to have parts. */
async function written(batches: number, parts: readonly string[] = []): Promise<{ folder: string; file: string }> {
  const folder = newFolder();
  const { journal, epoch } = await opened(folder);
  for (let after = 0; after < batches * 10; after += 10)
    await journal.append(numbered(10, after + 1), { epoch, after });
  if (parts.length > 0) await journal.saveSnapshot(batches * 5, parts);
  await journal.close();
  return { folder, file: join(folder, 'slotkeeper.db') };
}

/** Refused, and the file is as it was. */
async function leftAlone(folder: string, code: JournalErrorCode): Promise<string> {
  const file = join(folder, 'slotkeeper.db');
  const before = readFileSync(file);
  const { message } = await refused(readNumbered(folder), code);
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(message).toContain(`'${file}'`);
  return message;
}

function alter(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

test('a file that is no database is refused and left alone', async () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'slotkeeper.db'), 'Dear diary, '.repeat(1_000));
  expect(await leftAlone(folder, 'DAMAGED')).toContain('no database');
});

test("another program's database is refused and left alone", async () => {
  const folder = newFolder();
  alter(join(folder, 'slotkeeper.db'), 'CREATE TABLE diary (day TEXT)');
  expect(await leftAlone(folder, 'DAMAGED')).toContain('another program');
});

test('a file of a newer format is refused and left alone', async () => {
  const { folder, file } = await written(1);
  alter(file, 'PRAGMA user_version = 5');
  expect(await leftAlone(folder, 'NEWER_FORMAT')).toContain('format 5, this one knows 4');
  alter(file, 'PRAGMA user_version = 4');
  expect(await readNumbered(folder)).toBe(10);
});

test('a file of a format that was never released is refused and left alone, and not called damaged', async () => {
  const { folder, file } = await written(1);
  alter(file, 'PRAGMA user_version = 1');
  expect(await leftAlone(folder, 'OLDER_FORMAT')).toContain('format 1, this one knows 4');
});

test('an empty file is refused, since no database of ours is ever empty', async () => {
  const { folder, file } = await written(3);
  truncateSync(file, 0);
  expect(await leftAlone(folder, 'DAMAGED')).toContain('it is empty');
});

test('a log without its database is refused, not mistaken for a new journal', async () => {
  const { folder, file } = await written(1);
  rmSync(file);
  writeFileSync(`${file}-wal`, 'a log');
  const { message } = await refused(readNumbered(folder), 'DAMAGED');
  expect(message).toContain('its log');
  expect(existsSync(file)).toBe(false);
});

test('a file cut short anywhere is refused', async () => {
  const { folder, file } = await written(100);
  const whole = readFileSync(file);
  const seed = Date.now() % 2 ** 32;
  const random = seeded(seed);
  const sizes = Array.from({ length: 20 }, () => 1 + Math.floor(random() * (whole.length - 1)));
  for (const size of [...sizes, 4_096, whole.length - 4_096, whole.length - 1]) {
    writeFileSync(file, whole.subarray(0, size));
    await refused(readNumbered(folder), 'DAMAGED').catch((error: unknown) => {
      throw new Error(`seed ${seed}: cut to ${size} of ${whole.length} bytes`, { cause: error });
    });
  }
});

test('a flipped bit is found, or does no harm: what is read is what was written', async () => {
  const { folder, file } = await written(100);
  const whole = readFileSync(file);
  const seed = Date.now() % 2 ** 32;
  const random = seeded(seed);
  let found = 0;
  for (let round = 1; round <= 200; round += 1) {
    const flipped = Buffer.from(whole);
    const at = Math.floor(random() * whole.length);
    const bit = Math.floor(random() * 8);
    flipped[at]! ^= 1 << bit;
    writeFileSync(file, flipped);
    const outcome = await readNumbered(folder).catch((error: { code: JournalErrorCode }) => error.code ?? error);
    const told = `seed ${seed}: bit ${bit} of byte ${at} flipped`;
    expect([1_000, 'DAMAGED', 'NEWER_FORMAT', 'OLDER_FORMAT'], told).toContain(outcome);
    if (outcome !== 1_000) found += 1;
  }
  expect(found, `seed ${seed}`).toBeGreaterThan(50);
});

test.each([
  ['a flipped byte in a batch', "UPDATE batch SET facts = replace(facts, 'lease 15', 'lease 16')", 'checksum'],
  ['a missing batch', 'DELETE FROM batch WHERE first = 11', 'fact 11 is missing'],
  ['a missing last batch', 'DELETE FROM batch WHERE first = 31', 'fact 31 is missing'],
  ['a batch at another position', 'UPDATE batch SET first = 12 WHERE first = 11', 'fact 11 is missing'],
  ['a batch of another epoch', 'UPDATE batch SET epoch = 2 WHERE first = 11', 'checksum'],
  ['a head at an earlier position', 'UPDATE head SET position = 30', 'checksum of its head'],
  ['a missing head', 'DELETE FROM head', 'missing'],
  ['a missing table', 'DROP TABLE batch', 'no such table'],
])('%s is damage that is told of', async (_, sql, told) => {
  const { folder, file } = await written(4);
  alter(file, sql);
  expect((await refused(readNumbered(folder), 'DAMAGED')).message).toContain(told);
});

test.each([
  [
    'has a part that is not as it was written',
    "UPDATE snapshot SET rows = 'other' WHERE part = 2",
    'checksum of part 2',
  ],
  ['lacks a part', 'DELETE FROM snapshot WHERE part = 2', 'part 2 of the snapshot at position 20 is missing'],
  [
    'has its parts in another order',
    'UPDATE snapshot SET part = part + 10; UPDATE snapshot SET part = 14 - part',
    'checksum of part 1',
  ],
  ['is of another position', 'UPDATE snapshot SET position = 19', 'part 1 of the snapshot at position 20 is missing'],
])('a snapshot that %s is damage', async (_, sql, told) => {
  const { folder, file } = await written(4, ['one', 'two', 'three']);
  alter(file, sql);
  const { snapshot } = await opened(folder);
  expect((await refused(contents({ snapshot }), 'DAMAGED')).message).toContain(told);
});

test('a snapshot that is missing where retention relied on it is damage', async () => {
  const { folder, file } = await written(4, ['the state']);
  const first = await opened(folder);
  await trim(first.journal, { sinceMs: 1_000 });
  await first.journal.close();
  alter(file, 'DELETE FROM snapshot');
  const { snapshot } = await opened(folder);
  expect((await refused(contents({ snapshot }), 'DAMAGED')).message).toContain('snapshot at position 20 is missing');
});

test('a copy of the file is a journal like any other', async () => {
  const { file } = await written(2);
  const folder = newFolder();
  copyFileSync(file, join(folder, 'copy.db'));
  const journal = new SqliteJournal({ file: join(folder, 'copy.db') }, host);
  await journal.follow();
  expect((await journal.lead()).epoch).toBe(2);
  expect(await journal.read(0, 100)).toHaveLength(20);
  expect(journal.description).toBe(`sqlite ${join(folder, 'copy.db')}`);
  await journal.close();
});

test('places that cannot hold a journal are refused with what is wrong', async () => {
  const folder = newFolder();
  const file = join(folder, 'a file');
  writeFileSync(file, 'text');
  mkdirSync(join(folder, 'a folder'));
  const wrong = [{ folder: file }, { folder: join(file, 'below') }, { file: join(folder, 'missing', 'x.db') }];
  for (const place of [...wrong, { file: join(folder, 'a folder') }]) {
    const { message } = await refused(new SqliteJournal(place, host).follow(), 'IO');
    expect(message).toMatch(/^Cannot open '.*': .*\. See /);
  }
});
