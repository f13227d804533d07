/**
 * The journal: the ordered, durable list of facts, and the only truth. A position numbers one fact, from 1.
 *
 * A journal is first followed, then led:
 *
 *   new ── follow ──▶ following ── lead ──▶ leading ── close ──▶ closed
 *                     read                  read, append, confirm, saveSnapshot, retain
 *
 * Who may append: one writer at a time, that of the current epoch. `lead` begins the next epoch, so that an earlier
 * writer that is still alive can append no more.
 */
import type { Fact } from '@slotkeeper/engine';
import type { Space } from './ballast.ts';

export interface StoredFact {
  readonly position: number;
  readonly fact: Fact;
}

/** What a journal holds, as one that follows finds it. Both are read as they are asked for the next. */
export interface Followed {
  /** The newest complete snapshot: the state as of `position`, in parts (snapshot.ts). Undefined if there is none. */
  readonly snapshot: Snapshot | undefined;
  /** All facts after the snapshot, or from the first, in order. */
  readonly facts: AsyncIterable<StoredFact> | Iterable<StoredFact>;
}

export interface Snapshot {
  readonly position: number;
  readonly parts: AsyncIterable<string> | Iterable<string>;
}

export interface Led {
  /** Greater than that of any earlier leader; from 1. */
  readonly epoch: number;
  /** Of the last fact of all earlier epochs. What `follow` did not give of them is there to `read`. */
  readonly position: number;
  /** The time, by the clock that belongs to the store: the database's, or, of a store in this host, its wall clock. */
  readonly nowMs: number;
}

/** What of history retention keeps. Facts that no snapshot covers are kept, whatever their age and size. */
export interface Retained {
  readonly sinceMs: number;
  /** As the journal stores them: rows of a file, or the text of facts in memory. */
  readonly bytesMax: number;
}

/** What a journal that is kept in this host needs of it. */
export interface JournalHost {
  wallMs(): number;
  /** Calls back in a later turn of the event loop, after what else is due. */
  soon(callback: () => void): void;
}

export interface Journal {
  /** What it is and where, for the ready line and for errors: `sqlite ./slotkeeper-data`. */
  readonly description: string;

  /** Opens it for reading. What it holds does not change. Rejects with a `JournalError`. Called once. */
  follow(): Promise<Followed>;

  /** Begins a new epoch, in which this journal appends. A file of an older format becomes one of this version's. Called once, after `follow`. */
  lead(): Promise<Led>;

  /**
   * Makes `facts`, one or more, durable, all or none, as the positions right after `after`. Resolves only when they would survive the
   * loss of power. Rejects with a `JournalError` if `after` is not the last position, `epoch` not the current one, or
   * the write failed; whether it was written is then open, and the caller is to start again from the journal. One append at a time.
   */
  append(facts: readonly Fact[], at: { readonly epoch: number; readonly after: number }): Promise<void>;

  /**
   * Resolves once it is certain that `epoch` was the current one at some time after this call: then no later leader can
   * have decided otherwise before. Undefined if that is certain already, at no cost. Rejects with `NOT_CURRENT` if a later epoch has begun.
   */
  confirm(at: { readonly epoch: number }): Promise<void> | undefined;

  /**
   * Keeps the state as of `position` (at or before the last), so that opening need not replay what went before it. Takes
   * one of `parts` in a turn of the event loop and writes it by itself, so that appends go on meanwhile. A snapshot that
   * ends early, by a failure or with the process, counts as none: the one before it is kept until this one is complete.
   * It rejects if it fails, which changes nothing for anything else. A position that is not above the newest's changes nothing. One at a time.
   */
  saveSnapshot(position: number, parts: Iterable<string>): Promise<void>;

  /** At most `limit` facts after `after`, in order: for events. Fewer at the end. Rejects with `HISTORY_GONE` if some of them were removed. */
  read(after: number, limit: number): Promise<readonly StoredFact[]>;

  /**
   * Removes the oldest facts that the newest snapshot covers: those from before `sinceMs` (their `at`), and more until
   * what is left of history takes `bytesMax` bytes at the most, or until its disk is no more short of space. Removes some of
   * them in a call, so that grants go on between two calls. Resolves to whether there is more to do.
   */
  retain(kept: Retained): Promise<boolean>;

  /**
   * How many bytes of facts this one has appended. A journal in memory, where no fact has a size, gives an estimate.
   */
  readonly appendedBytes: number;

  /** Of the disk that it is on, as it is now; undefined if it is on none. */
  space(): Space | undefined;

  /** Lets another process open it. Idempotent. Whatever is called afterwards rejects with `NOT_CURRENT`. */
  close(): Promise<void>;
}

export type JournalErrorCode =
  /** Another process has it; the message tells who. */
  | 'IN_USE'
  /** `after` or `epoch` is not what the journal has. */
  | 'NOT_CURRENT'
  /** The disk is full, and the ballast is used up: nothing was written. */
  | 'FULL'
  /** The write or read failed: I/O error, not writable. */
  | 'IO'
  /** What is stored is not what was written. */
  | 'DAMAGED'
  /** Written by a newer version, in a format that this one does not know. */
  | 'NEWER_FORMAT'
  /** Written by an older version, in a format that is read no more. */
  | 'OLDER_FORMAT'
  /** The facts asked for were removed by retention. */
  | 'HISTORY_GONE';

/** The message is one sentence that says what happened, to which file, and what to do. */
export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;
  constructor(code: JournalErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Whoever gets it has decided on a state that is not the journal's. */
export function notCurrent(
  journal: string,
  has: { readonly epoch: number; readonly position: number },
  at: { readonly epoch: number; readonly after: number },
): JournalError {
  return new JournalError(
    'NOT_CURRENT',
    `The journal (${journal}) is at position ${has.position} of epoch ${has.epoch}, not at ${at.after} of ${at.epoch}: replay it and decide again.`,
  );
}

export function notOpen(journal: string): JournalError {
  return new JournalError('NOT_CURRENT', `The journal (${journal}) is closed, or was never opened: open a new one.`);
}

export function notLed(journal: string): JournalError {
  return new JournalError('NOT_CURRENT', `The journal (${journal}) is only followed: lead it before it is written to.`);
}
