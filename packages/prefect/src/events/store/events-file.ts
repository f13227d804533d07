/** The file of the events. The journal can restore it, so a file that cannot be read is replaced by a new one. */
import { chmodSync, closeSync, openSync, rmSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The format of the tables and their values. An older file is migrated; a file of a later version is replaced by a new one. */
const FORMAT = 2;
/** The migrations from each earlier format to the next. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: `
    UPDATE kept SET value = json_set(json_remove(value, '$.left'), '$.untracked', json_extract(value, '$.left'))
      WHERE kind = 'limit';
    ALTER TABLE kept RENAME TO projection_state;
  `,
};
export const PAGE_BYTES = 4096;
/** Pages in the write-ahead log before a checkpoint. Each checkpoint syncs the disk, and grants wait for that. */
const LOG_PAGES = 8_000;

/** What is left of the disk for the journal beside it, which starts to let history go at a quarter of that. Of a small disk, half. */
const SPACE_LEFT = 256 * 2 ** 20;
const SHARE_LEFT = 2;

const SQLITE = { CORRUPT: 11, NOTADB: 26 } as const;

/** `position`: facts up to this one have been folded; `at`: its time; `sent`: events up to this one have been sent upstream. */
const SCHEMA = `
  CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER, at REAL, sent INTEGER
  ) STRICT;
  INSERT INTO head VALUES (1, NULL, NULL, NULL);
  CREATE TABLE projection_state (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, occurred TEXT NOT NULL, name TEXT NOT NULL,
    resource TEXT NOT NULL, stored REAL NOT NULL, derived INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_occurred ON event (occurred);
`;

/** @param file null: in memory */
export function openEventsFile(file: string | null): DatabaseSync {
  if (file === null) return open(':memory:');
  makePrivate(file);
  try {
    return open(file);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    removeEventsFile(file);
    makePrivate(file);
    return open(file);
  }
}

/** Throws while the disk has so little left that it is the journal's. */
export function leaveSpace(file: string | null): void {
  if (file === null) return;
  const { bavail, bsize, blocks } = statfsSync(dirname(file));
  const needed = Math.min(SPACE_LEFT, (blocks * bsize) / SHARE_LEFT);
  if (bavail * bsize >= needed) return;
  const text = `${Math.floor(needed / 2 ** 20)} MiB`;
  throw new Error(
    `The disk of '${file}' has less than ${text} left: events are not kept until there is more. The file may be deleted while no server runs.`,
  );
}

/** For queries alone, of a file that another thread has opened. */
export function openToRead(file: string): DatabaseSync {
  return new DatabaseSync(file, { readOnly: true });
}

/** For its owner alone, as the journal is: events name holders. SQLite gives its log the rights of the file. */
function makePrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

/** A recreated file starts its numbers above those of any earlier file, so a reader that kept an old number misses nothing. */
function numbersFrom(seq: number): string {
  return `INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ${seq});`;
}

export function removeEventsFile(file: string | null): void {
  if (file === null) return;
  for (const path of [file, `${file}-wal`, `${file}-shm`]) rmSync(path, { force: true });
}

/** Whether the file itself is damaged, so that a later try would fail as well. */
export function isUnreadable(error: unknown): boolean {
  if (error instanceof OtherFormat) return true;
  const code = Number((error as { errcode?: unknown }).errcode) & 0xff;
  return code === SQLITE.CORRUPT || code === SQLITE.NOTADB;
}

class OtherFormat extends Error {}

function migrate(db: DatabaseSync): void {
  for (;;) {
    const format = Number(db.prepare('PRAGMA user_version').get()?.user_version);
    if (format === FORMAT) return;
    const migration = MIGRATIONS[format];
    if (migration === undefined) throw new OtherFormat();
    db.exec(`BEGIN IMMEDIATE; ${migration} PRAGMA user_version = ${format + 1}; COMMIT`);
  }
}

function open(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  try {
    db.exec(
      `PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`,
    );
    db.exec(`PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
    const isNew = Number(db.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.count) === 0;
    if (isNew) db.exec(`BEGIN; ${SCHEMA} ${numbersFrom(Date.now() * 1000)} PRAGMA user_version = ${FORMAT}; COMMIT`);
    else migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
