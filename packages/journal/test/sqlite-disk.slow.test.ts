import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { JournalError } from '../src/index.ts';
import { all, contents, refused } from './conformance.ts';
import { numbered } from './numbered.ts';
import { newFolder, opened, readNumbered } from './sqlite-places.ts';

/** Why disks of a size of our own cannot be mounted here; undefined if they can. */
function whyNoDisk(): string | undefined {
  if (process.platform !== 'linux') return 'it mounts a tmpfs, which only Linux has';
  if (process.getuid?.() !== 0) return 'it mounts a tmpfs, which only root may';
  return undefined;
}

const noDisk = whyNoDisk();
function onDisk(title: string, body: () => Promise<void>): void {
  if (noDisk === undefined) test(title, body);
  else test.skip(`${title} (skipped: ${noDisk})`, body);
}

function newDisk(bytes: number): string {
  const folder = newFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'slotkeeper-test', folder]);
  onTestFinished(() => void execFileSync('umount', [folder]));
  return folder;
}

onDisk('a full disk refuses the append; what was acknowledged is there once there is space again', async () => {
  const disk = newDisk(2 ** 20);
  const filler = join(disk, 'filler');
  writeFileSync(filler, Buffer.alloc(2 ** 18));
  const folder = join(disk, 'data');
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
  rmSync(filler);
  expect(await readNumbered(folder)).toBe(acknowledged);
  const again = await opened(folder);
  await again.journal.append(numbered(20, acknowledged + 1), { epoch: again.epoch, after: acknowledged });
  await again.journal.close();
  expect(await readNumbered(folder)).toBe(acknowledged + 20);
});

/** Until not a byte more fits. */
function fill(disk: string): void {
  const file = openSync(join(disk, 'filler'), 'a');
  try {
    for (const piece = Buffer.alloc(4_096); writeSync(file, piece) > 0; );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

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
  const folder = join(disk, 'data');
  const first = await opened(folder);
  let last = await appended(first, 0, 100);
  expect(statSync(join(folder, 'ballast')).size).toBeGreaterThan(2 ** 20);
  for (let round = 0; round < 5; round += 1) {
    fill(disk);
    last = await appended(first, last, 500);
  }
  expect(first.journal.space()).toMatchObject({ freeBytes: 0 });
  const inUse = 24 * 2 ** 20 - statSync(join(disk, 'filler')).size;
  expect(first.journal.appendedBytes).toBeGreaterThan(1.5 * inUse);
  await first.journal.close();
  fill(disk);
  const again = await opened(folder);
  expect(await contents(again)).toEqual({ position: last, state: `of ${last}` });
  last = await appended(again, last, 500);
  rmSync(join(disk, 'filler'));
  last = await appended(again, last, 100);
  expect(statSync(join(folder, 'ballast')).size).toBeGreaterThan(2 ** 20);
  await again.journal.close();
});

onDisk('without a snapshot nothing may go but the ballast, and what was acknowledged is there', async () => {
  const disk = newDisk(24 * 2 ** 20);
  const folder = join(disk, 'data');
  const first = await opened(folder);
  while (await first.journal.retain({ sinceMs: 0, bytesMax: 2 ** 30 }));
  const ballast = statSync(join(folder, 'ballast')).size;
  fill(disk);
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
  rmSync(join(disk, 'filler'));
  await first.journal.close();
  expect(await readNumbered(folder)).toBe(last);
});

onDisk('a snapshot leaves the disk the space that appends need', async () => {
  const disk = newDisk(32 * 2 ** 20);
  const { journal, epoch } = await opened(disk);
  await journal.append(numbered(5), { epoch, after: 0 });
  await journal.saveSnapshot(3, ['of', ' three']);
  function* endless(): Generator<string> {
    for (;;) yield 'x'.repeat(2 ** 20);
  }
  const { message } = await refused(journal.saveSnapshot(5, endless()), 'FULL');
  expect(message).toContain('the disk has less than 16 MiB left');
  await journal.append(numbered(5, 6), { epoch, after: 5 });
  await journal.close();
  const again = await opened(disk);
  expect(await contents(again)).toEqual({ position: 3, state: 'of three' });
  expect((await all(again.facts)).map(({ position }) => position)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  await again.journal.saveSnapshot(10, ['of', ' ten']);
});

onDisk('a new journal on a full disk is refused and leaves nothing behind', async () => {
  const disk = newDisk(2 ** 16);
  writeFileSync(join(disk, 'filler'), Buffer.alloc(2 ** 16));
  const { message } = await refused(opened(disk), 'FULL');
  expect(message).toContain('the disk is full');
  expect(readdirSync(disk)).toEqual(['filler']);
});

onDisk('a disk that is read-only refuses, with a journal on it or without', async () => {
  const disk = newDisk(2 ** 20);
  const used = join(disk, 'used');
  const { journal, epoch } = await opened(used);
  await journal.append(numbered(5), { epoch, after: 0 });
  await journal.close();
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  for (const folder of [used, disk, join(disk, 'new')]) {
    const { message } = await refused(opened(folder), 'IO');
    expect(message).toMatch(/read-?only/i);
  }
  execFileSync('mount', ['-o', 'remount,rw', disk]);
  expect(await readNumbered(used)).toBe(5);
});
