/** From an opened journal to the state: the newest snapshot, and each fact after it. */
import { emptyState, evolve, type State } from '@slotkeeper/engine';
import { JournalError, type Opened } from './journal.ts';
import { decodeState } from './snapshot.ts';

/**
 * Resolves to the state as of the journal's last fact.
 *
 * @throws JournalError `DAMAGED` if a position is missing or what is stored does not fit together.
 */
export async function replay(opened: Pick<Opened, 'snapshot' | 'facts'>): Promise<State> {
  const state = opened.snapshot ? restore(opened.snapshot) : emptyState();
  for await (const { position, fact } of opened.facts) {
    if (position !== state.position + 1) throw damaged(`fact ${position} follows fact ${state.position}`);
    try {
      evolve(state, fact);
    } catch (error) {
      throw damaged(`fact ${position} does not fit what went before it: ${reason(error)}`, error);
    }
  }
  return state;
}

function restore({ position, state: encoded }: NonNullable<Opened['snapshot']>): State {
  let state: State;
  try {
    state = decodeState(encoded);
  } catch (error) {
    throw damaged(`the snapshot at position ${position} cannot be read: ${reason(error)}`, error);
  }
  if (state.position !== position)
    throw damaged(`the snapshot at position ${position} says that it is of ${state.position}`);
  return state;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function damaged(what: string, cause?: unknown): JournalError {
  return new JournalError('DAMAGED', `The journal is damaged: ${what}. Restore a backup.`, { cause });
}
