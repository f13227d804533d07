/**
 * The ballast: a file beside the journal that takes up space while there is enough. When the disk is full it is given back
 * piece by piece, so that grants and releases go on until somebody frees space. It holds no data: it may be deleted, and then
 * only this reserve is lost.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, statfsSync, statSync, truncateSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

const BALLAST_BYTES = 8 * 2 ** 20;
const PIECE_BYTES = 2 ** 20;
/** The ballast takes at most a quarter of the free space. */
const SHARE = 4;
/** A disk with less free space is short; for a small disk the bound is an eighth of it. */
const SHORT_BYTES = 64 * 2 ** 20;
const SHORT_SHARE = 8;

/** The space on the disk of a journal. */
export interface Space {
  readonly freeBytes: number;
  /** With less free space than this, history is removed. */
  readonly wantedBytes: number;
  readonly ballastBytes: number;
}

export class Ballast {
  readonly #file: string;

  /** The ballast of the journal in `file`. */
  constructor(file: string) {
    this.#file = join(dirname(file), 'ballast');
  }

  /** Undefined if the file system does not say. */
  space(): Space | undefined {
    try {
      const { bavail, bsize, blocks } = statfsSync(dirname(this.#file));
      const wantedBytes = Math.min(SHORT_BYTES, (blocks * bsize) / SHORT_SHARE);
      return { freeBytes: bavail * bsize, wantedBytes, ballastBytes: this.#bytes };
    } catch {
      return undefined;
    }
  }

  /** Adds a piece if there is space for it. Returns whether it did. */
  grow(): boolean {
    const space = this.space();
    if (!space || space.ballastBytes >= BALLAST_BYTES) return false;
    const { freeBytes, wantedBytes, ballastBytes } = space;
    if (freeBytes < wantedBytes + PIECE_BYTES || freeBytes < SHARE * (ballastBytes + PIECE_BYTES)) return false;
    const file = openSync(this.#file, 'a', 0o600);
    try {
      // The piece is not of zeros, which a file system may store without using space.
      writeSync(file, randomBytes(PIECE_BYTES));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return true;
  }

  /** Gives a piece back to the disk. Returns whether there was one. */
  giveBack(): boolean {
    const bytes = this.#bytes;
    if (bytes === 0) return false;
    truncateSync(this.#file, Math.max(0, bytes - PIECE_BYTES));
    return true;
  }

  get #bytes(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
  }
}
