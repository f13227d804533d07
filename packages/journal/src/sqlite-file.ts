/** The file of a SQLite journal: how it comes to be, and how one process takes it for itself. */
import { randomUUID } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FORMAT, isKnown } from './formats.ts';
import { JournalError } from './journal.ts';
import { damaged } from './sqlite-failure.ts';
import { checkLog } from './sqlite-log.ts';
import { PAGE_BYTES, pragma, SCHEMA } from './sqlite-tables.ts';

/** `SLOT` in ASCII: tells our files from other programs' databases. */
const APPLICATION_ID = 0x534c4f54;

/** With those above it; durable, and for its owner alone: a journal holds the ids of sessions, which are secrets. */
export function makeFolder(folder: string): void {
  const path = resolve(folder);
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!alreadyThere(error)) throw error;
  }
  if (process.platform !== 'win32') sync(dirname(path));
}

function sync(folder: string): void {
  const descriptor = openSync(folder, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

function alreadyThere(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EEXIST';
}

/**
 * Opens the file, or makes it, and takes it: until the database is closed no other process can open it. Throws what
 * SQLite and the file system throw, busy if another process has it, or a `JournalError`.
 */
export function takeFile(file: string): DatabaseSync {
  const path = resolve(file);
  // In this order: who makes a new file makes its log later.
  const logSize = sizeOf(`${path}-wal`);
  const size = sizeOf(path);
  if (size === 0) throw damaged(file, 'it is empty, which a database of ours never is');
  if (size === undefined && logSize) throw damaged(file, `it is gone, but its log '${file}-wal' is there`);
  if (size === undefined) makeFile(path);
  // The system says more clearly than SQLite what may not be written; SQLite would go on and only read.
  for (const written of [path, dirname(path)]) accessSync(written, constants.W_OK);
  if (logSize) checkLog(`${file}-wal`);
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    configure(db, file);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Nobody ever sees half a database: it is made under another name. Of two processes that make one at once, one links
 * first, and the other uses that.
 *
 * From here on the file is opened by SQLite alone: a process that opens and closes it by other means drops SQLite's locks.
 */
function makeFile(path: string): void {
  const draft = `${path}-${randomUUID()}`;
  try {
    writeFileSync(draft, '', { flag: 'wx', mode: 0o600 });
    const db = new DatabaseSync(draft);
    try {
      // Before its first page is written. So the file can shrink without being written anew.
      db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}`);
      db.exec(`BEGIN; ${SCHEMA} COMMIT`);
    } finally {
      db.close();
    }
    linkSync(draft, path);
  } catch (error) {
    if (!alreadyThere(error)) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function configure(db: DatabaseSync, file: string): void {
  // Before the log is touched: so it needs no shared memory, and the lock is taken with the first read and kept.
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  checkFormat(db, file);
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('PRAGMA synchronous = FULL');
  // What an earlier process wrote but could not sync may be in the system's cache alone, and no later sync of the log
  // would bring it to disk. Moving it into the database does.
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

export function formatOf(db: DatabaseSync): number {
  return pragma(db, 'user_version');
}

function checkFormat(db: DatabaseSync, file: string): void {
  const id = pragma(db, 'application_id');
  if (id !== APPLICATION_ID) throw damaged(file, 'it is a database of another program');
  const format = formatOf(db);
  if (format > FORMAT)
    throw new JournalError(
      'NEWER_FORMAT',
      `'${file}' was written by a newer Slotkeeper (format ${format}, this one knows ${FORMAT}): start that version, or restore a backup of this one.`,
    );
  if (format === 1 || format === 2)
    throw new JournalError(
      'OLDER_FORMAT',
      `'${file}' was written by a Slotkeeper that was never released (format ${format}, this one knows ${FORMAT}): start with an empty folder.`,
    );
  if (!isKnown(format)) throw damaged(file, `it says that it is of format ${format}, which never was`);
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
