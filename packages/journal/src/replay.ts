/** Replays a journal to its state: the newest snapshot, and each fact after it. */

import { emptyState, evolve, type State } from '@slotkeeper/engine';
import { Malformed } from '@slotkeeper/shape';
import { type Followed, type Journal, JournalError, type Snapshot, type StoredFact } from './journal.ts';
import { SnapshotReader } from './snapshot-reader.ts';

/**
 * Resolves to the state as of the journal's last fact.
 *
 * @throws JournalError `DAMAGED` if a position is missing or what is stored does not fit together.
 */
export async function replay({ snapshot, facts }: Followed): Promise<State> {
  const state = snapshot ? await restore(snapshot) : emptyState();
  for await (const stored of facts) apply(state, stored);
  return state;
}

/** How many of the facts that a follower has missed are read at once. */
const PAGE = 10_000;

/** Brings a state up to `position` that was replayed from what `follow` found: another leader may have appended since then. */
export async function catchUp(state: State, journal: Pick<Journal, 'read'>, position: number): Promise<void> {
  while (state.position < position) {
    const missed = await journal.read(state.position, Math.min(PAGE, position - state.position));
    if (missed.length === 0) throw damaged(`fact ${state.position + 1} is missing`);
    for (const stored of missed) apply(state, stored);
  }
}

function apply(state: State, { position, fact }: StoredFact): void {
  if (position !== state.position + 1) throw damaged(`fact ${position} follows fact ${state.position}`);
  try {
    evolve(state, fact);
  } catch (error) {
    throw damaged(`fact ${position} does not fit what went before it: ${reason(error)}`, error);
  }
}

async function restore({ position, parts }: Snapshot): Promise<State> {
  const reader = new SnapshotReader();
  let state: State;
  try {
    for await (const part of parts) reader.add(part);
    state = reader.finish();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw damaged(`the snapshot at position ${position} cannot be read: ${error.message}`, error);
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
