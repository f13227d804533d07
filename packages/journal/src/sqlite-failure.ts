/** Turns errors of SQLite and the file system into a `JournalError`: every failure of the SQLite journal is worded here. */
import { Malformed } from '@slotkeeper/shape';
import { JournalError, type JournalErrorCode } from './journal.ts';
import { whoHas } from './owner.ts';

/** Primary result codes of SQLite. */
const SQLITE = { ERROR: 1, BUSY: 5, READONLY: 8, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;

/** @param doing the verb of the attempt, as in `Cannot open './file.db'` */
export function failure(doing: 'open' | 'append to' | 'read' | 'write to', file: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause;
  const [code, what, next] = diagnose(file, cause);
  return new JournalError(code, `Cannot ${doing} '${file}': ${what}. ${next}`, { cause });
}

export function isBusy(error: unknown): boolean {
  return primaryCode(error) === SQLITE.BUSY;
}

export function isDiskFull(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'FULL' || code === 'ENOSPC' || primaryCode(error) === SQLITE.FULL;
}

export function damaged(file: string, what: string, cause?: unknown): JournalError {
  return new JournalError('DAMAGED', `'${file}' is damaged: ${what}. ${RESTORE}`, { cause });
}

/** For appends there may be enough; they say so themselves. */
export function nearlyFull(file: string, needed: number): JournalError {
  const mebibytes = needed / 2 ** 20;
  return new JournalError(
    'FULL',
    `Cannot write a snapshot to '${file}': the disk has less than ${mebibytes} MiB left. Free some space. ${MAY_GO}`,
  );
}

/** The text about `events.db`, for the warning of a disk that is nearly full as well. */
export const MAY_GO = "Beside the journal 'events.db', of Prefect's events, may be deleted while no server runs.";

const RESTORE = 'Keep a copy of it and restore a backup; nothing was changed.';

function diagnose(file: string, cause: unknown): [code: JournalErrorCode, what: string, next: string] {
  const seen = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof Malformed || (cause as NodeJS.ErrnoException)?.code === 'ERR_OUT_OF_RANGE')
    return ['DAMAGED', `what is stored is not what was written (${seen})`, RESTORE];
  if (isDiskFull(cause))
    return ['FULL', 'the disk is full', `Free some space; what was acknowledged is there. ${MAY_GO}`];
  switch (primaryCode(cause)) {
    case SQLITE.BUSY:
      return ['IN_USE', `it is in use by ${whoHas(file)}`, 'Stop that one, or choose another place for the data.'];
    case SQLITE.NOTADB:
      return ['DAMAGED', 'it is no database, or its beginning was overwritten', RESTORE];
    case SQLITE.CORRUPT:
    case SQLITE.ERROR: // Our statements are right, so the tables are not as we made them.
      return ['DAMAGED', `what is stored is not what was written (${seen})`, RESTORE];
    case SQLITE.READONLY:
    case SQLITE.CANTOPEN:
      return ['IO', seen, 'See that its folder exists and that this user may write there.'];
    default:
      return ['IO', seen, 'See to the disk and its permissions, then start again.'];
  }
}

function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}
