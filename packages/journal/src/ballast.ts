/**
 * The ballast: a file beside the journal's that takes up space while there is enough. When the disk is full it is given
 * back piece by piece, so that grants and releases go on while somebody frees some. It holds nothing: whoever deletes it
 * loses nothing but that.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, statfsSync, statSync, truncateSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

const BALLAST_BYTES = 8 * 2 ** 20;
const PIECE_BYTES = 2 ** 20;
/** Of what is free it takes a quarter at the most. */
const SHARE = 4;
/** A disk of which less is free is short of space; of a small disk, an eighth of it. */
const SHORT_BYTES = 64 * 2 ** 20;
const SHORT_SHARE = 8;

/** Of the disk that a journal is on. */
export interface Space {
  readonly freeBytes: number;
  /** With less than so much free, history gives way. */
  readonly wantedBytes: number;
  readonly ballastBytes: number;
}

export class Ballast {
  readonly #file: string;

  /** Of the journal in `file`. */
  constructor(file: string) {
    this.#file = join(dirname(file), 'ballast');
  }

  /** Undefined where the file system does not say. */
  space(): Space | undefined {
    try {
      const { bavail, bsize, blocks } = statfsSync(dirname(this.#file));
      const wantedBytes = Math.min(SHORT_BYTES, (blocks * bsize) / SHORT_SHARE);
      return { freeBytes: bavail * bsize, wantedBytes, ballastBytes: this.#bytes };
    } catch {
      return undefined;
    }
  }

  /** Adds a piece if there is space for it. Returns whether it has. */
  grow(): boolean {
    const space = this.space();
    if (!space || space.ballastBytes >= BALLAST_BYTES) return false;
    const { freeBytes, wantedBytes, ballastBytes } = space;
    if (freeBytes < wantedBytes + PIECE_BYTES || freeBytes < SHARE * (ballastBytes + PIECE_BYTES)) return false;
    const file = openSync(this.#file, 'a', 0o600);
    try {
      // No zeros: a file system may store them as nothing at all.
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
