/** A journal whose next append fails when it is told so. */
import { type Journal, JournalError, MemoryJournal } from '@slotkeeper/journal';

export class FailingJournal extends MemoryJournal {
  /** For the journal that is called next: a replica opens a new one when it starts again. */
  static fails = false;

  override append(...args: Parameters<Journal['append']>): Promise<void> {
    if (!FailingJournal.fails) return super.append(...args);
    FailingJournal.fails = false;
    return Promise.reject(new JournalError('IO', 'The disk is full.'));
  }
}
