/**
 * Files of format 3, which version 0.1.0 wrote. `follow` reads them, and `lead` migrates them to format 4. Their snapshot is one
 * text in a table of another form, and their facts have no origin of a lease. Batches stay as they are: each has its format.
 */

import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { Malformed } from '@slotkeeper/shape';
import { count, countOrNull, text } from './fields.ts';
import { decodeStateOfFormat3 } from './format-3.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import { type Batch, type Contents, HEAD_AND_SNAPSHOT, type Head, readBatch, Tables } from './sqlite-tables.ts';

export class TablesOfFormat3 implements Contents {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  head(): Head {
    const row = this.#db.prepare('SELECT epoch, position, removed, checksum FROM head WHERE id = 1').get();
    if (!row) throw new Malformed('', 'the row that says what the journal holds is missing');
    const [epoch, position, removed] = [count(row.epoch), count(row.position), count(row.removed)];
    if (row.checksum !== crc32(`${epoch} ${position} ${removed}`))
      throw new Malformed('', 'the checksum of its head is wrong');
    const newest = this.#db.prepare('SELECT max(position) AS position FROM snapshot').get();
    const snapshot = countOrNull(newest?.position) ?? 0;
    return { epoch, position, removed, snapshot, parts: snapshot > 0 ? 1 : 0 };
  }

  batchWith(position: number): Batch {
    const sql = `SELECT first, last, epoch, at, checksum, facts, 3 AS format
      FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1`;
    return readBatch(this.#db.prepare(sql).get(position), position);
  }

  /** In parts as this version writes them. */
  *parts(): Generator<string> {
    const row = this.#db.prepare('SELECT position, checksum, state FROM snapshot ORDER BY position DESC LIMIT 1').get();
    if (!row) return;
    const [position, encoded] = [count(row.position), text(row.state)];
    if (row.checksum !== crc32(encoded, crc32(`${position} `)))
      throw new Malformed('', `the checksum of the snapshot at position ${position} is wrong`);
    yield* new SnapshotWriter(decodeStateOfFormat3(encoded)).parts();
  }
}

/** Migrates the file in one transaction, its format number included. If the process ends meanwhile, the file has one of both formats. */
export function migrateFromFormat3(db: DatabaseSync): Tables {
  const old = new TablesOfFormat3(db);
  const head = old.head();
  const parts = [...old.parts()];
  db.exec('ALTER TABLE batch ADD COLUMN format INTEGER NOT NULL DEFAULT 3');
  db.exec(`DROP TABLE snapshot; DROP TABLE head; ${HEAD_AND_SNAPSHOT} PRAGMA user_version = 4`);
  const tables = new Tables(db);
  tables.setHead({ ...head, snapshot: 0, parts: 0 });
  for (const [index, rows] of parts.entries())
    tables.insertPart({ position: head.snapshot, part: index + 1, rows }, index === parts.length - 1);
  return tables;
}
