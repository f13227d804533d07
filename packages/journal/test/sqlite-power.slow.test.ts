/**
 * A loss of power, on a disk of our own: a file system in an image. What has been synced is in the image; the rest is only
 * in the system's memory. So a copy of the image is what would be left if the power went at that moment.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteJournal } from '../src/index.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';
import { newFolder, opened, readNumbered } from './sqlite-places.ts';

const IMAGE_BYTES = 16 * 2 ** 20;

/** Why no image can be mounted here; undefined if one can. */
function whyNoImage(): string | undefined {
  if (process.platform !== 'linux') return 'it mounts an image of a disk, as Linux does';
  if (process.getuid?.() !== 0) return 'it mounts an image of a disk, which only root may';
  const folder = newFolder();
  try {
    unmount(mount(newImage(folder), folder));
    return undefined;
  } catch (error) {
    return `no image of a disk can be mounted here: ${(error as Error).message}`;
  }
}

function newImage(folder: string): string {
  const image = join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', image], { stdio: 'pipe' });
  return image;
}

function mount(image: string, folder: string): string {
  const place = join(folder, 'disk');
  mkdirSync(place, { recursive: true });
  execFileSync('mount', ['-o', 'loop', image, place], { stdio: 'pipe' });
  return place;
}

function unmount(place: string): void {
  execFileSync('umount', [place], { stdio: 'pipe' });
}

interface Disk {
  readonly place: string;
  /** What would be left if the power went now. */
  lose(): string;
}

function newDisk(): Disk {
  const folder = newFolder();
  const image = newImage(folder);
  const place = mount(image, folder);
  onTestFinished(() => unmount(place));
  return {
    place,
    lose() {
      const left = join(newFolder(), 'left');
      copyFileSync(image, left);
      return left;
    },
  };
}

/** How many facts a journal has on what was left of a disk. */
async function factsOn(left: string): Promise<number> {
  const folder = newFolder();
  const place = mount(left, folder);
  try {
    return await readNumbered(join(place, 'data'));
  } finally {
    unmount(place);
  }
}

test('what was acknowledged is there after a loss of power', async ({ skip }) => {
  const reason = whyNoImage();
  if (reason !== undefined) skip(reason);
  const disk = newDisk();
  const { journal, epoch } = await opened(join(disk.place, 'data'));
  const left: string[] = [];
  for (let after = 0; after < 50; after += 10) {
    await journal.append(numbered(10, after + 1), { epoch, after });
    left.push(disk.lose());
  }
  await journal.close();
  const found: number[] = [];
  for (const image of left) found.push(await factsOn(image));
  expect(found).toEqual([10, 20, 30, 40, 50]);
});

test('what one who opens a journal reads would be there after a loss of power, even if who wrote it died before it was', async ({
  skip,
}) => {
  const reason = whyNoImage();
  if (reason !== undefined) skip(reason);
  // A log that is not in the database yet, as a process leaves it that is killed.
  const elsewhere = newFolder();
  const { journal, epoch } = await opened(elsewhere);
  await journal.append(numbered(10), { epoch, after: 0 });
  const disk = newDisk();
  const folder = join(disk.place, 'data');
  mkdirSync(folder);
  for (const file of ['slotkeeper.db', 'slotkeeper.db-wal'])
    writeFileSync(join(folder, file), readFileSync(join(elsewhere, file)));
  const follower = new SqliteJournal({ folder }, host);
  await follower.follow();
  const left = disk.lose();
  await follower.close();
  expect(await factsOn(left)).toBe(10);
});
