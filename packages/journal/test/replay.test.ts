import { canonical, emptyState, evolve, type Fact } from '@slotkeeper/engine';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFacts } from '../src/codec.ts';
import { decodeFacts, FORMAT } from '../src/formats.ts';
import { MemoryJournal, MemoryStore, replay, SnapshotWriter, type StoredFact } from '../src/index.ts';
import { anyHistory, limitSet } from './facts.ts';
import { host } from './host.ts';
import { granted } from './numbered.ts';

function stateOf(facts: readonly Fact[]) {
  const state = emptyState();
  for (const fact of facts) evolve(state, fact);
  return state;
}

function partsOf(facts: readonly Fact[]): string[] {
  return [...new SnapshotWriter(stateOf(facts)).parts()];
}

function stored(facts: readonly Fact[], after = 0): StoredFact[] {
  return facts.map((fact, index) => ({ position: after + index + 1, fact }));
}

test('a replay from any snapshot is a replay from the start, to the byte', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistory, fc.nat(), async (facts, pick) => {
      const cut = pick % (facts.length + 1);
      const snapshot = { position: cut, parts: partsOf(facts.slice(0, cut)) };
      const after = decodeFacts(encodeFacts(facts.slice(cut)), FORMAT);
      const state = await replay({ snapshot, facts: stored(after, cut) });
      expect(canonical(state)).toBe(canonical(stateOf(facts)));
    }),
  );
});

test('a journal that is replayed, snapshot and reopened ends in the same state', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistory, async (facts) => {
      const store = new MemoryStore();
      const state = emptyState();
      for (const fact of facts) {
        const journal = new MemoryJournal(store, host);
        expect(canonical(await replay(await journal.follow()))).toBe(canonical(state));
        const { epoch, position } = await journal.lead();
        expect(position).toBe(state.position);
        await journal.append([fact], { epoch, after: position });
        evolve(state, fact);
        if (state.position % 3 === 0) await journal.saveSnapshot(state.position, new SnapshotWriter(state).parts());
      }
    }),
    { numRuns: 20 },
  );
});

test('a missing position is damage', async () => {
  const facts = stored([limitSet('a'), limitSet('b'), limitSet('c')]);
  await expect(replay({ snapshot: undefined, facts: [facts[0]!, facts[2]!] })).rejects.toMatchObject({
    code: 'DAMAGED',
    message: expect.stringContaining('fact 3 follows fact 1'),
  });
});

test('a fact that does not fit what went before it is damage', async () => {
  const facts = stored([granted('lease', 1, [['nowhere', 1]])]);
  await expect(replay({ snapshot: undefined, facts })).rejects.toMatchObject({ code: 'DAMAGED' });
});

test('a snapshot of another position than it says is damage', async () => {
  const snapshot = { position: 2, parts: partsOf([limitSet('a')]) };
  await expect(replay({ snapshot, facts: [] })).rejects.toMatchObject({ code: 'DAMAGED' });
});
