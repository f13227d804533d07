/** The file of a SQLite journal: how it is created, and how one process takes it for itself. */
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

/** `SLOT` in ASCII. It distinguishes our files from other programs' databases. */
const APPLICATION_ID = 0x534c4f54;

/** Creates the folder and those above it, durably. Only its owner may read it: the journal has the ids of sessions, which are secrets. */
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
 * Opens or creates the file, and takes it: no other process can open it until the database is closed. Throws a `JournalError`,
 * or what SQLite and the file system throw: busy, if another process has the file.
 */
export function takeFile(file: string): DatabaseSync {
  const path = resolve(file);
  // The log is checked before the file: a process that creates both creates the log last.
  const logSize = sizeOf(`${path}-wal`);
  const size = sizeOf(path);
  if (size === 0) throw damaged(file, 'it is empty, which a database of ours never is');
  if (size === undefined && logSize) throw damaged(file, `it is gone, but its log '${file}-wal' is there`);
  if (size === undefined) makeFile(path);
  // The system's error says what may not be written. SQLite would only open the file for reading.
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
 * Creates the database under another name, and then links it, so that nobody ever sees half a database. If two processes
 * create one at the same time, one links first, and the other uses that file.
 *
 * From here on the file is opened by SQLite alone: a process that opens and closes it by other means drops SQLite's locks.
 */
function makeFile(path: string): void {
  const draft = `${path}-${randomUUID()}`;
  try {
    writeFileSync(draft, '', { flag: 'wx', mode: 0o600 });
    const db = new DatabaseSync(draft);
    try {
      // This must come before the first page is written. It lets the file shrink without a VACUUM of the whole file.
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
  // This comes before the log is opened. So the log needs no shared memory, and the first read takes the lock and keeps it.
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  checkFormat(db, file);
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('PRAGMA synchronous = FULL');
  // An earlier process may have written to the log and failed to sync. Those pages may be only in the system's cache, and no
  // later sync of the log writes them to disk. A checkpoint, which moves them into the database, does.
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
