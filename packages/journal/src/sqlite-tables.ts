/**
 * What is in the file of a SQLite journal, row by row. Each row has a checksum over its other columns, so that a flipped
 * byte is found as it is read.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { Fact } from '@slotkeeper/engine';
import { decodeFacts } from './codec.ts';
import { count, countOrNull, Malformed, ms, text } from './fields.ts';

/** What the journal must hold: rows that a damaged page has swallowed are missed by it. */
export interface Head {
  readonly epoch: number;
  /** Of the last fact. */
  readonly position: number;
  /** Retention has removed the facts up to this position. */
  readonly removed: number;
}

/** One append: facts `first` to `last`. */
export interface Batch {
  readonly first: number;
  readonly last: number;
  readonly facts: readonly Fact[];
}

/** A batch's columns without its checksum; `at` is the time of the last fact. */
export interface BatchRow {
  readonly first: number;
  readonly last: number;
  readonly epoch: number;
  readonly at: number;
  readonly facts: string;
}

export interface Snapshot {
  readonly position: number;
  readonly state: string;
}

export const SCHEMA = `
  CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, position INTEGER NOT NULL,
    removed INTEGER NOT NULL, checksum INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE batch (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, epoch INTEGER NOT NULL, at REAL NOT NULL,
    checksum INTEGER NOT NULL, facts TEXT NOT NULL
  ) STRICT;
  CREATE TABLE snapshot (position INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
  INSERT INTO head VALUES (1, 0, 0, 0, ${headChecksum({ epoch: 0, position: 0, removed: 0 })});
`;

const SQL = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  head: 'SELECT epoch, position, removed, checksum FROM head WHERE id = 1',
  setHead: 'UPDATE head SET epoch = ?, position = ?, removed = ?, checksum = ? WHERE id = 1',
  insertBatch: 'INSERT INTO batch (first, last, epoch, at, checksum, facts) VALUES (?, ?, ?, ?, ?, ?)',
  batchAtOrBefore:
    'SELECT first, last, epoch, at, checksum, facts FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1',
  oldestBatches: 'SELECT first, last, at FROM batch ORDER BY first LIMIT ?',
  deleteBatches: 'DELETE FROM batch WHERE first <= ?',
  snapshotPosition: 'SELECT max(position) AS position FROM snapshot',
  newestSnapshot: 'SELECT position, checksum, state FROM snapshot ORDER BY position DESC LIMIT 1',
  insertSnapshot: 'INSERT INTO snapshot (position, checksum, state) VALUES (?, ?, ?)',
  deleteSnapshots: 'DELETE FROM snapshot WHERE position < ?',
} as const;

/** Reads and writes rows. A row that is not as it was written throws `Malformed`. */
export class Tables {
  readonly #db: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const prepared = Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)]);
    this.#sql = Object.fromEntries(prepared);
  }

  /** All that `body` writes is durable as this returns; nothing of it is kept if it throws. */
  transaction<T>(body: () => T): T {
    this.#sql.begin.run();
    try {
      const result = body();
      this.#sql.commit.run();
      return result;
    } catch (error) {
      // After some failures SQLite has rolled back by itself.
      if (this.#db.isTransaction) this.#sql.rollback.run();
      throw error;
    }
  }

  head(): Head {
    const row = this.#sql.head.get();
    if (!row) throw new Malformed('the row that says what the journal holds is missing');
    const head = { epoch: count(row.epoch), position: count(row.position), removed: count(row.removed) };
    if (row.checksum !== headChecksum(head)) throw new Malformed('the checksum of its head is wrong');
    return head;
  }

  setHead(head: Head): void {
    this.#sql.setHead.run(head.epoch, head.position, head.removed, headChecksum(head));
  }

  insertBatch(row: BatchRow): void {
    const { first, last, epoch, at, facts } = row;
    this.#sql.insertBatch.run(first, last, epoch, at, batchChecksum(row), facts);
  }

  /** The batch that has the fact of that position. */
  batchWith(position: number): Batch {
    const found = this.#sql.batchAtOrBefore.get(position);
    const row = found && readBatchRow(found);
    if (!row || row.last < position) throw new Malformed(`fact ${position} is missing`);
    const facts = decodeFacts(row.facts);
    if (facts.length !== row.last - row.first + 1)
      throw new Malformed(`the batch of facts ${row.first} to ${row.last} has ${facts.length}`);
    return { first: row.first, last: row.last, facts };
  }

  /**
   * Removes the oldest batches, `batchesMax` at most, whose facts are all older than `beforeMs` and not after position
   * `covered`. Returns how many there were.
   */
  removeBatches(beforeMs: number, covered: number, batchesMax: number): number {
    const head = this.head();
    let { removed } = head;
    let batches = 0;
    for (const row of this.#sql.oldestBatches.all(batchesMax)) {
      if (row.first !== removed + 1) throw new Malformed(`fact ${removed + 1} is missing`);
      const last = count(row.last);
      if (last > covered || ms(row.at) >= beforeMs) break;
      removed = last;
      batches += 1;
    }
    this.#sql.deleteBatches.run(removed);
    this.setHead({ ...head, removed });
    return batches;
  }

  /** 0 without one. */
  snapshotPosition(): number {
    return countOrNull(this.#sql.snapshotPosition.get()?.position) ?? 0;
  }

  newestSnapshot(): Snapshot | undefined {
    const row = this.#sql.newestSnapshot.get();
    if (!row) return undefined;
    const snapshot = { position: count(row.position), state: text(row.state) };
    if (row.checksum !== snapshotChecksum(snapshot))
      throw new Malformed(`the checksum of the snapshot at position ${snapshot.position} is wrong`);
    return snapshot;
  }

  /** The older ones go. */
  insertSnapshot(snapshot: Snapshot): void {
    this.#sql.deleteSnapshots.run(snapshot.position);
    this.#sql.insertSnapshot.run(snapshot.position, snapshotChecksum(snapshot), snapshot.state);
  }
}

function readBatchRow(row: Record<string, SQLOutputValue>): BatchRow {
  const batch = {
    first: count(row.first),
    last: count(row.last),
    epoch: count(row.epoch),
    at: ms(row.at),
    facts: text(row.facts),
  };
  if (row.checksum !== batchChecksum(batch))
    throw new Malformed(`the checksum of the batch at position ${batch.first} is wrong`);
  return batch;
}

function headChecksum({ epoch, position, removed }: Head): number {
  return crc32(`${epoch} ${position} ${removed}`);
}

function batchChecksum({ first, last, epoch, at, facts }: BatchRow): number {
  return crc32(facts, crc32(`${first} ${last} ${epoch} ${at} `));
}

function snapshotChecksum({ position, state }: Snapshot): number {
  return crc32(state, crc32(`${position} `));
}
