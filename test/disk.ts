/** A small disk of its own for a test: a tmpfs, which can be filled to the last byte and freed again. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why there can be none here; undefined if there can. */
export function whyNoDisk(): string | undefined {
  if (process.platform !== 'linux') return 'it mounts a tmpfs, which only Linux has';
  if (process.getuid?.() !== 0) return 'it mounts a tmpfs, which only root may';
  return undefined;
}

export class Disk implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'slotkeeper-disk-'));
  /** What takes up the space, in `fill`. */
  readonly filler = join(this.folder, 'filler');

  constructor(bytes: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'slotkeeper-test', this.folder]);
  }

  /** Until not a byte more fits. */
  fill(): void {
    const file = openSync(this.filler, 'a');
    try {
      for (const piece = Buffer.alloc(4_096); writeSync(file, piece) > 0; );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.filler);
  }

  set isReadOnly(readOnly: boolean) {
    execFileSync('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, this.folder]);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.folder]);
    rmdirSync(this.folder);
  }
}
