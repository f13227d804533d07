/** One suite for all journals: what `Journal` promises, wherever the facts are stored. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeFacts } from '../src/codec.ts';
import { type Followed, type Journal, JournalError, type Led, type StoredFact } from '../src/index.ts';
import { limitSet } from './facts.ts';
import { numbered } from './numbered.ts';

export interface Subject {
  readonly name: string;
  /** A new place for facts: each call makes a journal over what is kept there. Its maker removes it when the test is over. */
  place(): () => Journal;
  /** The store's own clock. */
  nowMs(): Promise<number>;
  /** Tests that it does not run, each with the reason. */
  readonly skips: { readonly [K in Skippable]?: string };
}

type Skippable =
  | 'a later writer displaces the earlier one'
  | 'what was written between following and leading is there to read'
  | 'a second opener is refused while the first lives';

export function conformance({ name, place, nowMs, skips }: Subject): void {
  function optional(title: Skippable, body: () => Promise<void>): void {
    const reason = skips[title];
    if (reason === undefined) test(title, body);
    else test.skip(`${title} (skipped: ${reason})`, body);
  }

  /** Journals over one place; they are closed as the test is over. `open` follows and leads. */
  function newPlace(): {
    follow(): Promise<Followed & { journal: Journal }>;
    open(): Promise<Followed & Led & { journal: Journal }>;
  } {
    const newJournal = place();
    const follow = async () => {
      const journal = newJournal();
      onTestFinished(() => journal.close());
      return { ...(await journal.follow()), journal };
    };
    return {
      follow,
      async open() {
        const followed = await follow();
        return { ...followed, ...(await followed.journal.lead()) };
      },
    };
  }

  describe(`${name} journal`, () => {
    test('a new one is empty', async () => {
      const { epoch, snapshot, facts, journal } = await newPlace().open();
      expect(epoch).toBe(1);
      expect(snapshot).toBeUndefined();
      expect(await all(facts)).toEqual([]);
      expect(await journal.read(0, 10)).toEqual([]);
    });

    test('what was appended is there after it is closed and opened again, numbered from 1', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      await journal.append(numbered(3), { epoch, after: 0 });
      await journal.append(numbered(1_024, 4), { epoch, after: 3 });
      await journal.append(numbered(1, 1_028), { epoch, after: 1_027 });
      await journal.close();
      const again = await open();
      const found = await all(again.facts);
      expect(found.map(({ fact }) => fact)).toEqual(numbered(1_028));
      expect(found.map(({ position }) => position)).toEqual(numbered(1_028).map((_, index) => index + 1));
    });

    test('texts of all kinds are read as they were written', async () => {
      const { open } = newPlace();
      const names = [
        '"quoted" \\',
        'line\nbreak\u0000nul',
        'mäßig 🎰',
        'half \ud83c',
        "'; DROP TABLE batch; --",
        'n'.repeat(255),
      ];
      const first = await open();
      const written = names.map((limit) => limitSet(limit));
      await first.journal.append(written, { epoch: first.epoch, after: 0 });
      await first.journal.close();
      expect((await all((await open()).facts)).map(({ fact }) => fact)).toEqual(written);
    });

    test('each leader begins a greater epoch', async () => {
      const { open } = newPlace();
      const epochs: number[] = [];
      for (let times = 0; times < 3; times += 1) {
        const { epoch, journal } = await open();
        epochs.push(epoch);
        await journal.close();
      }
      expect(epochs).toEqual([1, 2, 3]);
    });

    test('an append after any other position than the last is refused and changes nothing', async () => {
      const { journal, epoch } = await newPlace().open();
      await journal.append(numbered(2), { epoch, after: 0 });
      for (const after of [0, 1, 3]) await refused(journal.append(numbered(1, 9), { epoch, after }), 'NOT_CURRENT');
      expect(await journal.read(0, 10)).toHaveLength(2);
      await journal.append(numbered(1, 3), { epoch, after: 2 });
      expect(await journal.read(0, 10)).toHaveLength(3);
    });

    test('an append of another epoch is refused and changes nothing', async () => {
      const { open } = newPlace();
      const { journal } = await open();
      await journal.close();
      const current = await open();
      for (const epoch of [1, 3])
        await refused(current.journal.append(numbered(1), { epoch, after: 0 }), 'NOT_CURRENT');
      expect(await current.journal.read(0, 10)).toEqual([]);
      await current.journal.append(numbered(1), { epoch: 2, after: 0 });
    });

    test('an append of nothing is a bug of the caller', async () => {
      const { journal, epoch } = await newPlace().open();
      await expect(journal.append([], { epoch, after: 0 })).rejects.toThrow(RangeError);
    });

    optional('a later writer displaces the earlier one', async () => {
      const { open } = newPlace();
      const earlier = await open();
      await earlier.journal.append(numbered(1), { epoch: earlier.epoch, after: 0 });
      const later = await open();
      await refused(earlier.journal.append(numbered(1, 2), { epoch: earlier.epoch, after: 1 }), 'NOT_CURRENT');
      await refused(earlier.journal.saveSnapshot(1, ['state']), 'NOT_CURRENT');
      await refused(earlier.journal.retain({ sinceMs: 10, bytesMax: 1e9 }), 'NOT_CURRENT');
      await refused(Promise.resolve(earlier.journal.confirm({ epoch: earlier.epoch })), 'NOT_CURRENT');
      await later.journal.append(numbered(1, 2), { epoch: later.epoch, after: 1 });
      expect(await later.journal.read(0, 10)).toHaveLength(2);
    });

    optional('a second opener is refused while the first lives', async () => {
      const { open } = newPlace();
      const first = await open();
      await refused(open(), 'IN_USE');
      await first.journal.append(numbered(1), { epoch: first.epoch, after: 0 });
      await refused(open(), 'IN_USE');
      await first.journal.close();
      const second = await open();
      expect(second.epoch).toBe(2);
      expect(await all(second.facts)).toHaveLength(1);
    });

    test('it opens with the newest snapshot and the facts after it', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      await journal.append(numbered(4), { epoch, after: 0 });
      await journal.saveSnapshot(2, ['of two']);
      await journal.append(numbered(2, 5), { epoch, after: 4 });
      await journal.saveSnapshot(5, ['of', ' five']);
      await journal.saveSnapshot(3, ['of three, too late']);
      await journal.close();
      const again = await open();
      expect(await contents(again)).toEqual({ position: 5, state: 'of five' });
      expect(await all(again.facts)).toEqual([{ position: 6, fact: numbered(1, 6)[0] }]);
    });

    test('appends go on while a snapshot is written, a part in a turn', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      await journal.append(numbered(4), { epoch, after: 0 });
      let taken = 0;
      function* parts(): Generator<string> {
        for (; taken < 20; taken += 1) yield `part ${taken}, `;
      }
      let isSaved = false;
      const saving = journal.saveSnapshot(4, parts()).finally(() => {
        isSaved = true;
      });
      const takenAtAppends = new Set<number>();
      let position = 4;
      for (; !isSaved; position += 1) {
        await journal.append(numbered(1, position + 1), { epoch, after: position });
        takenAtAppends.add(taken);
        await new Promise(setImmediate);
      }
      await saving;
      expect(takenAtAppends.size).toBeGreaterThan(10);
      await journal.close();
      const again = await open();
      const state = Array.from({ length: 20 }, (_, part) => `part ${part}, `).join('');
      expect(await contents(again)).toEqual({ position: 4, state });
      expect((await all(again.facts)).map(({ fact }) => fact)).toEqual(numbered(position - 4, 5));
    });

    test('a snapshot that fails in the middle counts as none, harms nothing, and can be taken again', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      await journal.append(numbered(4), { epoch, after: 0 });
      await journal.saveSnapshot(2, ['of', ' two']);
      function* failing(): Generator<string> {
        yield* ['of', ' four', ' in', ' many', ' parts'];
        throw new Error('a broken state');
      }
      await expect(journal.saveSnapshot(4, failing())).rejects.toThrow('a broken state');
      await journal.append(numbered(2, 5), { epoch, after: 4 });
      await journal.close();
      const again = await open();
      expect(await contents(again)).toEqual({ position: 2, state: 'of two' });
      expect((await all(again.facts)).map(({ position }) => position)).toEqual([3, 4, 5, 6]);
      await again.journal.saveSnapshot(4, ['of', ' four']);
      await again.journal.close();
      expect(await contents(await open())).toEqual({ position: 4, state: 'of four' });
    });

    test('a snapshot that is cut short as the journal is closed counts as none', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      await journal.append(numbered(4), { epoch, after: 0 });
      await journal.saveSnapshot(2, ['of two']);
      let isLetGo = false;
      function* endless(): Generator<string> {
        try {
          for (let part = 1; ; part += 1) {
            if (part === 5) void journal.close();
            yield `part ${part}`;
          }
        } finally {
          isLetGo = true;
        }
      }
      await refused(journal.saveSnapshot(4, endless()), 'NOT_CURRENT');
      expect(isLetGo).toBe(true);
      const again = await open();
      expect(await contents(again)).toEqual({ position: 2, state: 'of two' });
      expect((await all(again.facts)).map(({ position }) => position)).toEqual([3, 4]);
    });

    test('a snapshot of what is not there yet is refused', async () => {
      const { journal, epoch } = await newPlace().open();
      await journal.append(numbered(1), { epoch, after: 0 });
      await refused(journal.saveSnapshot(2, ['state']), 'NOT_CURRENT');
    });

    test('history is read in pages, whatever the batches were', async () => {
      const { journal, epoch } = await newPlace().open();
      for (const [count, after] of [
        [3, 0],
        [1, 3],
        [6, 4],
      ] as const)
        await journal.append(numbered(count, after + 1), { epoch, after });
      const pages: StoredFact[][] = [];
      for (let after = 0; after < 10; after += 4) pages.push([...(await journal.read(after, 4))]);
      expect(pages.map((page) => page.map(({ position }) => position))).toEqual([
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10],
      ]);
      expect(pages.flat().map(({ fact }) => fact)).toEqual(numbered(10));
      expect(await journal.read(10, 4)).toEqual([]);
      expect(await journal.read(11, 4)).toEqual([]);
    });

    test('retention removes what is old and covered by a snapshot, and no more', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      for (let after = 0; after < 6; after += 1) await journal.append(numbered(1, after + 1), { epoch, after });
      await trim(journal, { sinceMs: 100 });
      expect(await journal.read(0, 10)).toHaveLength(6);
      await journal.saveSnapshot(4, ['of four']);
      await trim(journal, { sinceMs: 3 });
      expect((await journal.read(2, 10)).map(({ position }) => position)).toEqual([3, 4, 5, 6]);
      await refused(journal.read(1, 10), 'HISTORY_GONE');
      await trim(journal, { sinceMs: 100 });
      expect((await journal.read(4, 10)).map(({ position }) => position)).toEqual([5, 6]);
      await refused(journal.read(3, 10), 'HISTORY_GONE');
      await journal.close();
      const again = await open();
      expect(await contents(again)).toEqual({ position: 4, state: 'of four' });
      expect((await all(again.facts)).map(({ position }) => position)).toEqual([5, 6]);
      await refused(again.journal.read(0, 10), 'HISTORY_GONE');
    });

    test('retention by bytes removes the oldest that a snapshot covers, and keeps as much of the newest as was asked', async () => {
      const { journal, epoch } = await newPlace().open();
      const facts = 6_000;
      for (let after = 0; after < facts; after += 10) await journal.append(numbered(10, after + 1), { epoch, after });
      const bytes = encodeFacts(numbered(facts)).length;
      expect(journal.appendedBytes).toBeGreaterThan(bytes / 2);
      expect(journal.appendedBytes).toBeLessThan(bytes * 2);
      await journal.saveSnapshot(facts - 100, ['of nearly all']);
      const oldest = async () => {
        for (let after = 0; ; after += 1)
          if (
            await journal.read(after, 1).then(
              () => true,
              () => false,
            )
          )
            return after;
      };
      await trim(journal, { bytesMax: 10 * bytes });
      expect(await oldest()).toBe(0);
      await trim(journal, { bytesMax: bytes / 2 });
      const removed = await oldest();
      expect(removed).toBeGreaterThan(facts * 0.2);
      expect(removed).toBeLessThan(facts * 0.8);
      expect(await journal.read(removed, facts)).toHaveLength(facts - removed);
      await trim(journal, { bytesMax: bytes / 2 });
      expect(await oldest()).toBe(removed);
      await trim(journal, { bytesMax: 0 });
      expect(await oldest()).toBe(facts - 100);
    });

    test('positions go on where they were when retention has removed every fact', async () => {
      const { open } = newPlace();
      const { journal, epoch } = await open();
      for (let after = 0; after < 1_200; after += 1) await journal.append(numbered(1, after + 1), { epoch, after });
      await journal.saveSnapshot(1_200, ['of all']);
      await trim(journal, { sinceMs: 10_000 });
      expect(await journal.read(1_200, 10)).toEqual([]);
      await refused(journal.read(1_199, 10), 'HISTORY_GONE');
      await journal.close();
      const again = await open();
      expect(await all(again.facts)).toEqual([]);
      await refused(again.journal.append(numbered(1), { epoch: again.epoch, after: 0 }), 'NOT_CURRENT');
      await again.journal.append(numbered(1, 1_201), { epoch: again.epoch, after: 1_200 });
      expect((await again.journal.read(1_200, 10)).map(({ position }) => position)).toEqual([1_201]);
    });

    test('once closed it does nothing any more, and may be closed again', async () => {
      const { journal, epoch } = await newPlace().open();
      await journal.close();
      await journal.close();
      await refused(journal.append(numbered(1), { epoch, after: 0 }), 'NOT_CURRENT');
      await refused(journal.saveSnapshot(0, ['state']), 'NOT_CURRENT');
      await refused(journal.read(0, 1), 'NOT_CURRENT');
      await refused(journal.retain({ sinceMs: 0, bytesMax: 1e9 }), 'NOT_CURRENT');
      await refused(journal.lead(), 'NOT_CURRENT');
      await refused(Promise.resolve(journal.confirm({ epoch })), 'NOT_CURRENT');
    });

    test('one that follows reads, changes nothing and begins no epoch', async () => {
      const { follow, open } = newPlace();
      const first = await open();
      await first.journal.append(numbered(3), { epoch: first.epoch, after: 0 });
      await first.journal.saveSnapshot(2, ['of two']);
      await first.journal.close();
      const { journal, ...followed } = await follow();
      expect(await contents(followed)).toEqual({ position: 2, state: 'of two' });
      expect((await all(followed.facts)).map(({ position }) => position)).toEqual([3]);
      expect(await journal.read(0, 10)).toHaveLength(3);
      await refused(journal.append(numbered(1, 4), { epoch: 1, after: 3 }), 'NOT_CURRENT');
      await refused(Promise.resolve(journal.confirm({ epoch: 1 })), 'NOT_CURRENT');
      await refused(journal.saveSnapshot(3, ['of three']), 'NOT_CURRENT');
      await refused(journal.retain({ sinceMs: 1_000, bytesMax: 1e9 }), 'NOT_CURRENT');
      await journal.close();
      const again = await open();
      expect([again.epoch, again.position]).toEqual([2, 3]);
      expect(await again.journal.read(0, 10)).toHaveLength(3);
    });

    test('one that leads is told the last position of all earlier epochs, and the time of the store', async () => {
      const { open } = newPlace();
      const first = await open();
      expect(first.position).toBe(0);
      await first.journal.append(numbered(3), { epoch: first.epoch, after: 0 });
      await first.journal.close();
      const earliestMs = await nowMs();
      const second = await open();
      expect(second.position).toBe(3);
      expect(second.nowMs).toBeGreaterThanOrEqual(earliestMs);
      expect(second.nowMs).toBeLessThanOrEqual(await nowMs());
    });

    test('what a journal is asked for before it follows is refused, and it follows and leads once', async () => {
      const journal = place()();
      onTestFinished(() => journal.close());
      await refused(journal.lead(), 'NOT_CURRENT');
      await refused(journal.read(0, 1), 'NOT_CURRENT');
      await journal.follow();
      await expect(journal.follow()).rejects.toThrow('followed once');
      await journal.lead();
      await expect(journal.lead()).rejects.toThrow('led once');
    });

    test('the leader of the current epoch is confirmed, one of another epoch is not', async () => {
      const { journal, epoch } = await newPlace().open();
      await journal.confirm({ epoch });
      await refused(Promise.resolve(journal.confirm({ epoch: epoch + 1 })), 'NOT_CURRENT');
      await journal.append(numbered(1), { epoch, after: 0 });
      await journal.confirm({ epoch });
    });

    optional('what was written between following and leading is there to read', async () => {
      const { follow, open } = newPlace();
      const first = await open();
      await first.journal.append(numbered(2), { epoch: first.epoch, after: 0 });
      const { journal, facts } = await follow();
      await first.journal.append(numbered(3, 3), { epoch: first.epoch, after: 2 });
      expect((await all(facts)).map(({ position }) => position)).toEqual([1, 2]);
      const { epoch, position } = await journal.lead();
      expect([epoch, position]).toEqual([2, 5]);
      expect((await journal.read(2, 10)).map(({ position }) => position)).toEqual([3, 4, 5]);
      await refused(first.journal.append(numbered(1, 6), { epoch: 1, after: 5 }), 'NOT_CURRENT');
      await journal.append(numbered(1, 6), { epoch, after: 5 });
    });
  });
}

/** As compaction does: until nothing is left to remove. */
export async function trim(journal: Journal, { sinceMs = 0, bytesMax = 1e9 }): Promise<void> {
  while (await journal.retain({ sinceMs, bytesMax }));
}

export async function contents({
  snapshot,
}: Pick<Followed, 'snapshot'>): Promise<{ position: number; state: string } | undefined> {
  if (!snapshot) return undefined;
  let state = '';
  for await (const part of snapshot.parts) state += part;
  return { position: snapshot.position, state };
}

export async function all(facts: Followed['facts']): Promise<StoredFact[]> {
  const found: StoredFact[] = [];
  for await (const fact of facts) found.push(fact);
  return found;
}

export async function refused(promise: Promise<unknown>, code: JournalError['code']): Promise<JournalError> {
  const error = await promise.then(
    () => expect.fail(`should have been refused with ${code}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(JournalError);
  expect(error).toMatchObject({ code });
  return error as JournalError;
}
