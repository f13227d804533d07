/**
 * The journal: the ordered, durable list of facts, and the only truth. A position numbers one fact, from 1.
 *
 * Who may append: one writer at a time, that of the current epoch. `open` raises the epoch, so that an earlier writer
 * that is still alive can append no more.
 */
import type { Fact } from '@slotkeeper/engine';

export interface Opened {
  /** Greater than that of any earlier opening; from 1. */
  readonly epoch: number;
  /** The newest snapshot: the state's canonical form as of that position; undefined if none was written. */
  readonly snapshot: { readonly position: number; readonly state: string } | undefined;
  /** All facts after the snapshot, or from the first, in order. */
  readonly facts: AsyncIterable<StoredFact> | Iterable<StoredFact>;
}

export interface StoredFact {
  readonly position: number;
  readonly fact: Fact;
}

export interface Journal {
  /** What it is and where, for the ready line and for errors: `sqlite ./slotkeeper-data`. */
  readonly description: string;

  /** Takes the journal for this process and begins a new epoch. Rejects with a `JournalError`. Called once. */
  open(): Promise<Opened>;

  /**
   * Makes `facts`, one or more, durable, all or none, as the positions right after `after`. Resolves only when they would survive the
   * loss of power. Rejects with a `JournalError` if `after` is not the last position, `epoch` not the current one, or
   * the write failed; whether it was written is then open, and the caller is to start again from the journal. One append at a time.
   */
  append(facts: readonly Fact[], at: { readonly epoch: number; readonly after: number }): Promise<void>;

  /**
   * Keeps `state`, the canonical form as of `position` (at or before the last), so that opening need not replay what went
   * before. One that is older than what is kept changes nothing.
   */
  saveSnapshot(position: number, state: string): Promise<void>;

  /** At most `limit` facts after `after`, in order: for events. Fewer at the end. Rejects with `HISTORY_GONE` if some of them were removed. */
  read(after: number, limit: number): Promise<readonly StoredFact[]>;

  /** Removes facts that are older than `beforeMs` (their `at`) and that the newest snapshot covers. */
  retain(beforeMs: number): Promise<void>;

  /** Lets another process open it. Idempotent. Whatever is called afterwards rejects with `NOT_CURRENT`. */
  close(): Promise<void>;
}

export type JournalErrorCode =
  /** Another process has it; the message tells who. */
  | 'IN_USE'
  /** `after` or `epoch` is not what the journal has. */
  | 'NOT_CURRENT'
  /** The write or read failed: disk full, I/O error, not writable. */
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
