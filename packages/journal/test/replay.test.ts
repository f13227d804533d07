import { canonical, emptyState, evolve, type Fact } from '@slotkeeper/engine';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFacts, encodeFacts } from '../src/codec.ts';
import { Malformed } from '../src/fields.ts';
import { decodeState, MemoryJournal, MemoryStore, replay, type StoredFact } from '../src/index.ts';
import { anyHistory, limitSet } from './facts.ts';
import { host } from './host.ts';
import { granted } from './numbered.ts';

function stateOf(facts: readonly Fact[]) {
  const state = emptyState();
  for (const fact of facts) evolve(state, fact);
  return state;
}

function stored(facts: readonly Fact[], after = 0): StoredFact[] {
  return facts.map((fact, index) => ({ position: after + index + 1, fact }));
}

test('a snapshot is read as the state that it was written from', () => {
  fc.assert(
    fc.property(anyHistory, (facts) => {
      const state = stateOf(facts);
      const again = decodeState(canonical(state));
      expect(canonical(again)).toBe(canonical(state));
      for (const [name, limit] of state.limits) {
        expect(again.limits.get(name)?.held).toBe(limit.held);
        expect([...(again.limits.get(name)?.leases.keys() ?? [])]).toEqual([...limit.leases.keys()]);
      }
    }),
  );
});

test('a replay from any snapshot is a replay from the start, to the byte', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistory, fc.nat(), async (facts, pick) => {
      const cut = pick % (facts.length + 1);
      const before = stateOf(facts.slice(0, cut));
      const snapshot = { position: cut, parts: [canonical(before)] };
      const after = decodeFacts(encodeFacts(facts.slice(cut)));
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
        if (state.position % 3 === 0) await journal.saveSnapshot(state.position, [canonical(state)]);
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
  const snapshot = { position: 2, parts: [canonical(stateOf([limitSet('a')]))] };
  await expect(replay({ snapshot, facts: [] })).rejects.toMatchObject({ code: 'DAMAGED' });
});

const limit = '["db","i",1,1,0,1,4,null,true,"open",16,null,null]';
const holder = '[null,null,null,null,null]';
test.each([
  ['no JSON', '[1,1,[],['],
  ['a field too few', '[1,1,[]]'],
  ['a limit twice', `[1,1,[${limit},${limit}],[]]`],
  ['a lease on a limit that does not exist', `[1,1,[],[["a",1,"s","process",null,1,${holder},[["db",1]],[]]]]`],
  [
    'a lease twice',
    `[2,1,[],[["a",1,"s","process",null,1,${holder},[],[]],["a",2,"s","process",null,1,${holder},[],[]]]]`,
  ],
  ['a lease of the future', `[1,1,[],[["a",2,"s","process",null,1,${holder},[],[]]]]`],
])('a snapshot with %s is refused', (_, encoded) => {
  expect(() => decodeState(encoded)).toThrow(Malformed);
});
