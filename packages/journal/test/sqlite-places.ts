/** Folders for SQLite journals, and journals that are surely closed, for as long as one test runs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { type Followed, type Led, SqliteJournal, type StoredFact } from '../src/index.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-journal-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function opened(folder: string): Promise<Followed & Led & { journal: SqliteJournal }> {
  const journal = new SqliteJournal({ folder }, host);
  onTestFinished(() => journal.close());
  return { ...(await journal.follow()), ...(await journal.lead()), journal };
}

/** Opens it, reads all of it and closes it again. The facts must be those of `numbered`. */
export async function readNumbered(folder: string): Promise<number> {
  const journal = new SqliteJournal({ folder }, host);
  try {
    const found: StoredFact[] = [];
    for await (const fact of (await journal.follow()).facts) found.push(fact);
    expect(found).toEqual(numbered(found.length).map((fact, index) => ({ position: index + 1, fact })));
    return found.length;
  } finally {
    await journal.close();
  }
}

/** A generator of numbers from 0 to below 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
