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

/** The content of a journal, for a follower. Parts and facts are read one by one, as the caller asks for the next. */
export interface Followed {
  /** The newest complete snapshot: the state as of `position`, in parts (snapshot-rows.ts). Undefined if there is none. */
  readonly snapshot: Snapshot | undefined;
  /** All facts after the snapshot, or from the first, in order. */
  readonly facts: AsyncIterable<StoredFact> | Iterable<StoredFact>;
}

export interface Snapshot {
  readonly position: number;
  readonly parts: AsyncIterable<string> | Iterable<string>;
}

export interface Led {
  /** The number of this epoch: greater than that of any earlier leader, from 1. */
  readonly epoch: number;
  /** The position of the last fact of all earlier epochs. Facts that `follow` did not give can be `read`. */
  readonly position: number;
  /** The time by the store's clock: the database's, or the host's wall clock if the store is in this host. */
  readonly nowMs: number;
}

/** What retention keeps of the history. Facts that no snapshot covers are always kept. */
export interface Retained {
  readonly sinceMs: number;
  /** As the journal stores them: rows of a file, or the text of facts in memory. */
  readonly bytesMax: number;
}

/** The services of the host that a journal in this host needs. */
export interface JournalHost {
  wallMs(): number;
  /** Calls back in a later turn of the event loop, after everything else that is due. */
  soon(callback: () => void): void;
}

export interface Journal {
  /** The kind of journal and where it is, for the ready line and for errors: `sqlite ./slotkeeper-data`. */
  readonly description: string;

  /** Opens the journal for reading, and changes nothing in it. Rejects with a `JournalError`. Called once. */
  follow(): Promise<Followed>;

  /**
   * Begins a new epoch, in which this journal appends. Migrates a file of an older format to this version's. Called once, after
   * `follow`.
   */
  lead(): Promise<Led>;

  /**
   * Makes `facts`, one or more, durable, all or none, at the positions right after `after`. Resolves only when they would
   * survive a loss of power. Rejects with a `JournalError` if `after` is not the last position, `epoch` is not the current one,
   * or the write failed. After a failed write nobody knows whether the facts are there: start again from the journal. One
   * append at a time.
   */
  append(facts: readonly Fact[], at: { readonly epoch: number; readonly after: number }): Promise<void>;

  /**
   * Resolves once it is certain that `epoch` was the current one at some time after this call, so that no later leader can have
   * decided otherwise before it. Returns undefined if that is certain at once, at no cost. Rejects with `NOT_CURRENT` if a later
   * epoch has begun.
   */
  confirm(at: { readonly epoch: number }): Promise<void> | undefined;

  /**
   * Stores the state as of `position` (at or before the last), so that a start need not replay the facts before it. It takes
   * one of `parts` in each turn of the event loop and writes it separately, so that appends go on meanwhile. A snapshot that
   * ends early, by a failure or with the process, counts as none: the one before it is kept until this one is complete. If it
   * fails it rejects, and the journal goes on. A position that is not above the newest snapshot's changes nothing. One at a time.
   */
  saveSnapshot(position: number, parts: Iterable<string>): Promise<void>;

  /**
   * Reads at most `limit` facts after `after`, in order, for events. At the end there are fewer. Rejects with `HISTORY_GONE` if
   * some of them were removed.
   */
  read(after: number, limit: number): Promise<readonly StoredFact[]>;

  /**
   * Removes the oldest facts that the newest snapshot covers: those with an `at` before `sinceMs`, and more until the history
   * takes at most `bytesMax` bytes and its disk is no longer short of space. One call removes only some of them, so that grants
   * go on between two calls. Resolves to whether there is more to do.
   */
  retain(kept: Retained): Promise<boolean>;

  /** How many bytes of facts this journal has appended. In memory, where a fact has no size, this is an estimate. */
  readonly appendedBytes: number;

  /** The space on the journal's disk now; undefined if it is on none. */
  space(): Space | undefined;

  /** Closes the journal, so that another process can open it. Idempotent. Later calls reject with `NOT_CURRENT`. */
  close(): Promise<void>;
}

export type JournalErrorCode =
  /** Another process has it; the message says which. */
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

/** The error of a writer whose state is not the journal's: what it has decided since does not count. */
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
