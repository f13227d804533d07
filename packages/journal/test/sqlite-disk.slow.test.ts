import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
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
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, Buffer.alloc(2 ** 18));
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
  expect(failure).toMatchObject({ code: 'IO', message: expect.stringContaining('the disk is full. Free some space') });
  expect(acknowledged).toBeGreaterThan(100);
  await journal.close();
  rmSync(ballast);
  expect(await readNumbered(folder)).toBe(acknowledged);
  const again = await opened(folder);
  await again.journal.append(numbered(20, acknowledged + 1), { epoch: again.epoch, after: acknowledged });
  await again.journal.close();
  expect(await readNumbered(folder)).toBe(acknowledged + 20);
});

onDisk('a snapshot leaves the disk the space that appends need', async () => {
  const disk = newDisk(32 * 2 ** 20);
  const { journal, epoch } = await opened(disk);
  await journal.append(numbered(5), { epoch, after: 0 });
  await journal.saveSnapshot(3, ['of', ' three']);
  function* endless(): Generator<string> {
    for (;;) yield 'x'.repeat(2 ** 20);
  }
  const { message } = await refused(journal.saveSnapshot(5, endless()), 'IO');
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
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(2 ** 16));
  const { message } = await refused(opened(disk), 'IO');
  expect(message).toContain('the disk is full');
  expect(readdirSync(disk)).toEqual(['ballast']);
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
