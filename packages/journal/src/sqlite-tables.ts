/**
 * The tables of a SQLite journal. Each row has a checksum over its other columns, so that a flipped byte is detected when the
 * row is read.
 */

import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { Fact } from '@slotkeeper/engine';
import { Malformed } from '@slotkeeper/shape';
import { count, ms, text } from './fields.ts';
import { decodeFacts } from './formats.ts';
import type { Retained } from './journal.ts';

/** What the journal must contain. So rows that are missing, for a damaged page, are detected. */
export interface Head {
  readonly epoch: number;
  /** The position of the last fact. */
  readonly position: number;
  /** Retention has removed the facts up to this position. */
  readonly removed: number;
  /** The position of the newest complete snapshot, and how many parts it has; 0 without one. */
  readonly snapshot: number;
  readonly parts: number;
}

/** What a follower needs from the tables of any format. */
export interface Contents {
  head(): Head;
  /** The batch with the fact at that position. */
  batchWith(position: number): Batch;
  /** The parts of the newest complete snapshot. */
  parts(): Iterable<string>;
}

/** One append: facts `first` to `last`. */
export interface Batch {
  readonly first: number;
  readonly last: number;
  readonly facts: readonly Fact[];
}

/** A batch's columns without its checksum; `at` is the time of the last fact, `format` that of `facts`. */
export interface BatchRow {
  readonly first: number;
  readonly last: number;
  readonly epoch: number;
  readonly at: number;
  readonly facts: string;
  readonly format: number;
}

export interface Part {
  /** The position of the snapshot. */
  readonly position: number;
  /** From 1. */
  readonly part: number;
  readonly rows: string;
}

export const PAGE_BYTES = 4096;

const EMPTY: Head = { epoch: 0, position: 0, removed: 0, snapshot: 0, parts: 0 };

export const HEAD_AND_SNAPSHOT = `
  CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, position INTEGER NOT NULL,
    removed INTEGER NOT NULL, snapshot INTEGER NOT NULL, parts INTEGER NOT NULL, checksum INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE snapshot (
    position INTEGER NOT NULL, part INTEGER NOT NULL, checksum INTEGER NOT NULL, rows TEXT NOT NULL,
    PRIMARY KEY (position, part)
  ) STRICT;
  INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, ${headChecksum(EMPTY)});
`;

/** A file of format 3 gets the column `format` as it becomes one of format 4 (sqlite-format-3.ts). */
export const SCHEMA = `
  ${HEAD_AND_SNAPSHOT}
  CREATE TABLE batch (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, epoch INTEGER NOT NULL, at REAL NOT NULL,
    checksum INTEGER NOT NULL, facts TEXT NOT NULL, format INTEGER NOT NULL DEFAULT 3
  ) STRICT;
`;

/** The size of a batch's columns without its facts. */
const BATCH_BYTES = 50;

/** How many parts of earlier snapshots are removed with each part that is added. */
const PARTS_REMOVED = 4;

const SQL = {
  head: 'SELECT epoch, position, removed, snapshot, parts, checksum FROM head WHERE id = 1',
  setHead: 'UPDATE head SET epoch = ?, position = ?, removed = ?, snapshot = ?, parts = ?, checksum = ? WHERE id = 1',
  insertBatch: 'INSERT INTO batch (first, last, epoch, at, checksum, facts, format) VALUES (?, ?, ?, ?, ?, ?, ?)',
  batchAtOrBefore:
    'SELECT first, last, epoch, at, checksum, facts, format FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1',
  oldestBatches: 'SELECT first, last, at, octet_length(facts) AS bytes FROM batch ORDER BY first LIMIT ?',
  deleteBatches: 'DELETE FROM batch WHERE first <= ?',
  part: 'SELECT checksum, rows FROM snapshot WHERE position = ? AND part = ?',
  snapshotBytes: 'SELECT coalesce(sum(octet_length(rows)), 0) AS bytes FROM snapshot',
  insertPart: 'INSERT OR REPLACE INTO snapshot (position, part, checksum, rows) VALUES (?, ?, ?, ?)',
  deleteParts: `DELETE FROM snapshot WHERE rowid IN (
    SELECT rowid FROM snapshot WHERE position NOT IN (?, ?) LIMIT ${PARTS_REMOVED})`,
} as const;

export function pragma(db: DatabaseSync, name: string): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

/** Runs `body` in a transaction: when this returns, its writes are durable; if it throws, none is kept. */
export function transaction<T>(db: DatabaseSync, body: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = body();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // After some failures SQLite has rolled back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Reads and writes rows. A row that is not as it was written throws `Malformed`. */
export class Tables implements Contents {
  readonly #db: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const prepared = Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)]);
    this.#sql = Object.fromEntries(prepared);
  }

  head(): Head {
    const row = this.#sql.head.get();
    if (!row) throw new Malformed('', 'the row that says what the journal holds is missing');
    const head = {
      epoch: count(row.epoch),
      position: count(row.position),
      removed: count(row.removed),
      snapshot: count(row.snapshot),
      parts: count(row.parts),
    };
    if (row.checksum !== headChecksum(head)) throw new Malformed('', 'the checksum of its head is wrong');
    return head;
  }

  setHead(head: Head): void {
    const { epoch, position, removed, snapshot, parts } = head;
    this.#sql.setHead.run(epoch, position, removed, snapshot, parts, headChecksum(head));
  }

  insertBatch(row: BatchRow): void {
    const { first, last, epoch, at, facts, format } = row;
    this.#sql.insertBatch.run(first, last, epoch, at, batchChecksum(row), facts, format);
  }

  batchWith(position: number): Batch {
    return readBatch(this.#sql.batchAtOrBefore.get(position), position);
  }

  /**
   * Removes the oldest batches, `batchesMax` at most, whose facts are all in the snapshot, as long as they are too old or
   * history is too large, or the file has less free than its disk lacks. Returns how many there were.
   */
  removeBatches({ sinceMs, bytesMax }: Retained, lackingBytes: number, batchesMax: number): number {
    const head = this.head();
    let { removed } = head;
    let batches = 0;
    let excessBytes = Math.max(this.#historyBytes() - bytesMax, lackingBytes - this.freePages * PAGE_BYTES);
    for (const row of this.#sql.oldestBatches.all(batchesMax)) {
      if (row.first !== removed + 1) throw new Malformed('', `fact ${removed + 1} is missing`);
      const last = count(row.last);
      if (last > head.snapshot || (ms(row.at) >= sinceMs && excessBytes <= 0)) break;
      removed = last;
      batches += 1;
      excessBytes -= count(row.bytes) + BATCH_BYTES;
    }
    if (batches === 0) return 0;
    this.#sql.deleteBatches.run(removed);
    this.setHead({ ...head, removed });
    return batches;
  }

  /**
   * Gives at most `pagesMax` free pages at the end of the file back to the disk, and keeps `spare`. Returns how many it gave
   * back: none in a file that was created without `auto_vacuum`.
   */
  giveBack(spare: number, pagesMax: number): number {
    const free = this.freePages;
    if (free <= spare) return 0;
    this.#db.exec(`PRAGMA incremental_vacuum(${Math.min(pagesMax, free - spare)})`);
    return free - this.freePages;
  }

  /** Free pages of the file, which the next writes use. */
  get freePages(): number {
    return pragma(this.#db, 'freelist_count');
  }

  /** The size of the file without its snapshots. It is counted in pages, since adding up the batches would read them all. */
  #historyBytes(): number {
    const used = pragma(this.#db, 'page_count') - this.freePages;
    return used * PAGE_BYTES - count(this.#sql.snapshotBytes.get()?.bytes);
  }

  *parts(): Generator<string> {
    const { snapshot, parts } = this.head();
    for (let part = 1; part <= parts; part += 1) {
      const row = this.#sql.part.get(snapshot, part);
      if (!row) throw new Malformed('', `part ${part} of the snapshot at position ${snapshot} is missing`);
      const rows = text(row.rows);
      if (row.checksum !== partChecksum({ position: snapshot, part, rows }))
        throw new Malformed('', `the checksum of part ${part} of the snapshot at position ${snapshot} is wrong`);
      yield rows;
    }
  }

  /**
   * With its last part a snapshot is complete, and the newest. Earlier ones, and what attempts that failed have left, go
   * as the parts of this one come; an attempt at the same position is written over.
   */
  insertPart(row: Part, isLast: boolean): void {
    const { position, part, rows } = row;
    const head = this.head();
    this.#sql.deleteParts.run(head.snapshot, position);
    this.#sql.insertPart.run(position, part, partChecksum(row), rows);
    if (isLast) this.setHead({ ...head, snapshot: position, parts: part });
  }
}

/** @throws Malformed if `found` is not a batch as it was written, or has no fact of that position. */
export function readBatch(found: Record<string, SQLOutputValue> | undefined, position: number): Batch {
  const row = found && readBatchRow(found);
  if (!row || row.last < position) throw new Malformed('', `fact ${position} is missing`);
  const facts = decodeFacts(row.facts, row.format);
  if (facts.length !== row.last - row.first + 1)
    throw new Malformed('', `the batch of facts ${row.first} to ${row.last} has ${facts.length}`);
  return { first: row.first, last: row.last, facts };
}

function readBatchRow(row: Record<string, SQLOutputValue>): BatchRow {
  const batch = {
    first: count(row.first),
    last: count(row.last),
    epoch: count(row.epoch),
    at: ms(row.at),
    facts: text(row.facts),
    format: count(row.format),
  };
  if (row.checksum !== batchChecksum(batch))
    throw new Malformed('', `the checksum of the batch at position ${batch.first} is wrong`);
  return batch;
}

function headChecksum({ epoch, position, removed, snapshot, parts }: Head): number {
  return crc32(`${epoch} ${position} ${removed} ${snapshot} ${parts}`);
}

function batchChecksum({ first, last, epoch, at, facts, format }: BatchRow): number {
  // Rows of format 3 were written without their format.
  const start = format === 3 ? '' : `${format} `;
  return crc32(facts, crc32(`${start}${first} ${last} ${epoch} ${at} `));
}

function partChecksum({ position, part, rows }: Part): number {
  return crc32(rows, crc32(`${position} ${part} `));
}
