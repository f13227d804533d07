import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { contents } from './conformance.ts';
import { numbered } from './numbered.ts';
import { newFolder, opened } from './sqlite-places.ts';

/** How many parts of which snapshots a closed file has. */
function parts(folder: string): Record<string, unknown> {
  const db = new DatabaseSync(join(folder, 'slotkeeper.db'));
  const rows = db.prepare('SELECT position, count(*) AS parts FROM snapshot GROUP BY position').all();
  db.close();
  return Object.fromEntries(rows.map(({ position, parts }) => [String(position), parts]));
}

const many = (count: number): string[] => Array.from({ length: count }, (_, part) => `part ${part}, `);

test('the snapshot before the newest is kept until that is complete, and goes with the next', async () => {
  const folder = newFolder();
  const { journal, epoch } = await opened(folder);
  await journal.append(numbered(9), { epoch, after: 0 });
  await journal.saveSnapshot(1, many(7));
  await journal.saveSnapshot(2, many(3));
  await journal.close();
  expect(parts(folder)).toEqual({ 1: 7, 2: 3 });
  const again = await opened(folder);
  await again.journal.saveSnapshot(3, many(3));
  await again.journal.close();
  expect(parts(folder)).toEqual({ 2: 3, 3: 3 });
});

test('what a snapshot that failed has left goes with the next, whether that is of the same position or of another', async () => {
  for (const next of [5, 6]) {
    const folder = newFolder();
    const { journal, epoch } = await opened(folder);
    await journal.append(numbered(9), { epoch, after: 0 });
    await journal.saveSnapshot(2, many(2));
    function* failing(): Generator<string> {
      yield* many(4);
      throw new Error('a broken state');
    }
    await expect(journal.saveSnapshot(5, failing())).rejects.toThrow();
    await journal.saveSnapshot(next, ['shorter']);
    await journal.close();
    const again = await opened(folder);
    expect(await contents(again)).toEqual({ position: next, state: 'shorter' });
    await again.journal.saveSnapshot(8, many(1));
    await again.journal.saveSnapshot(9, many(1));
    await again.journal.close();
    expect(parts(folder)).toEqual({ 8: 1, 9: 1 });
  }
});
