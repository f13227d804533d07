import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Disk, whyNoDisk } from '../../../test/disk.ts';
import { JournalError } from '../src/index.ts';
import { all, contents, refused } from './conformance.ts';
import { numbered } from './numbered.ts';
import { opened, readNumbered } from './sqlite-places.ts';

const noDisk = whyNoDisk();
function onDisk(title: string, body: () => Promise<void>): void {
  if (noDisk === undefined) test(title, body);
  else test.skip(`${title} (skipped: ${noDisk})`, body);
}

function newDisk(bytes: number): Disk {
  const disk = new Disk(bytes);
  onTestFinished(() => disk[Symbol.dispose]());
  return disk;
}

onDisk('a full disk refuses the append; what was acknowledged is there once there is space again', async () => {
  const disk = newDisk(2 ** 20);
  writeFileSync(disk.filler, Buffer.alloc(2 ** 18));
  const folder = join(disk.folder, 'data');
  const { journal, epoch } = await opened(folder);
  let acknowledged = 0;
  const append = () => journal.append(numbered(20, acknowledged + 1), { epoch, after: acknowledged });
  let failure: unknown;
  while (!failure) {
    try {
      await append();
      acknowledged += 20;
    } catch (error) {
      failure = error;
    }
  }
  expect(failure).toBeInstanceOf(JournalError);
  expect(failure).toMatchObject({
    code: 'FULL',
    message: expect.stringContaining('the disk is full. Free some space'),
  });
  expect(acknowledged).toBeGreaterThan(100);
  await journal.close();
  disk.free();
  expect(await readNumbered(folder)).toBe(acknowledged);
  const again = await opened(folder);
  await again.journal.append(numbered(20, acknowledged + 1), { epoch: again.epoch, after: acknowledged });
  await again.journal.close();
  expect(await readNumbered(folder)).toBe(acknowledged + 20);
});

const BATCH = 50;

/** Appends with a small snapshot and retention now and then, as a replica does. */
async function appended(
  { journal, epoch }: Awaited<ReturnType<typeof opened>>,
  from: number,
  batches: number,
): Promise<number> {
  let last = from;
  for (let batch = 1; batch <= batches; batch += 1) {
    await journal.append(numbered(BATCH, last + 1), { epoch, after: last });
    last += BATCH;
    if (batch % 100 !== 0) continue;
    await journal.saveSnapshot(last, [`of ${last}`]);
    while (await journal.retain({ sinceMs: 0, bytesMax: 2 ** 30 }));
  }
  return last;
}

onDisk('on a disk that others have filled appends go on, in the space that history has let go of', async () => {
  const disk = newDisk(24 * 2 ** 20);
  const folder = join(disk.folder, 'data');
  const first = await opened(folder);
  let last = await appended(first, 0, 100);
  expect(statSync(join(folder, 'ballast')).size).toBeGreaterThan(2 ** 20);
  for (let round = 0; round < 5; round += 1) {
    disk.fill();
    last = await appended(first, last, 500);
  }
  expect(first.journal.space()).toMatchObject({ freeBytes: 0 });
  const inUse = 24 * 2 ** 20 - statSync(disk.filler).size;
  expect(first.journal.appendedBytes).toBeGreaterThan(1.5 * inUse);
  await first.journal.close();
  disk.fill();
  const again = await opened(folder);
  expect(await contents(again)).toEqual({ position: last, state: `of ${last}` });
  last = await appended(again, last, 500);
  disk.free();
  last = await appended(again, last, 100);
  expect(statSync(join(folder, 'ballast')).size).toBeGreaterThan(2 ** 20);
  await again.journal.close();
});

onDisk('without a snapshot nothing may go but the ballast, and what was acknowledged is there', async () => {
  const disk = newDisk(24 * 2 ** 20);
  const folder = join(disk.folder, 'data');
  const first = await opened(folder);
  while (await first.journal.retain({ sinceMs: 0, bytesMax: 2 ** 30 }));
  const ballast = statSync(join(folder, 'ballast')).size;
  disk.fill();
  let last = 0;
  const append = async (): Promise<void> => {
    for (;;) {
      await first.journal.append(numbered(BATCH, last + 1), { epoch: first.epoch, after: last });
      last += BATCH;
    }
  };
  await refused(append(), 'FULL');
  // The log takes as much as the facts.
  expect(first.journal.appendedBytes).toBeGreaterThan(ballast / 8);
  expect(statSync(join(folder, 'ballast')).size).toBe(0);
  disk.free();
  await first.journal.close();
  expect(await readNumbered(folder)).toBe(last);
});

onDisk('a snapshot leaves the disk the space that appends need', async () => {
  const disk = newDisk(32 * 2 ** 20);
  const { journal, epoch } = await opened(disk.folder);
  await journal.append(numbered(5), { epoch, after: 0 });
  await journal.saveSnapshot(3, ['of', ' three']);
  function* endless(): Generator<string> {
    for (;;) yield 'x'.repeat(2 ** 20);
  }
  const { message } = await refused(journal.saveSnapshot(5, endless()), 'FULL');
  expect(message).toContain('the disk has less than 16 MiB left');
  await journal.append(numbered(5, 6), { epoch, after: 5 });
  await journal.close();
  const again = await opened(disk.folder);
  expect(await contents(again)).toEqual({ position: 3, state: 'of three' });
  expect((await all(again.facts)).map(({ position }) => position)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  await again.journal.saveSnapshot(10, ['of', ' ten']);
});

onDisk('a new journal on a full disk is refused and leaves nothing behind', async () => {
  const disk = newDisk(2 ** 16);
  writeFileSync(disk.filler, Buffer.alloc(2 ** 16));
  const { message } = await refused(opened(disk.folder), 'FULL');
  expect(message).toContain('the disk is full');
  expect(readdirSync(disk.folder)).toEqual(['filler']);
});

onDisk('a disk that is read-only refuses, with a journal on it or without', async () => {
  const disk = newDisk(2 ** 20);
  const used = join(disk.folder, 'used');
  const { journal, epoch } = await opened(used);
  await journal.append(numbered(5), { epoch, after: 0 });
  await journal.close();
  disk.isReadOnly = true;
  for (const folder of [used, disk.folder, join(disk.folder, 'new')]) {
    const { message } = await refused(opened(folder), 'IO');
    expect(message).toMatch(/read-?only/i);
  }
  disk.isReadOnly = false;
  expect(await readNumbered(used)).toBe(5);
});
