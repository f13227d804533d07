import { canonical, emptyState, evolve, type Fact, type Lease, newUsage, type State } from '@slotkeeper/engine';
import { Malformed } from '@slotkeeper/shape';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SnapshotWriter } from '../src/index.ts';
import { SnapshotReader } from '../src/snapshot-reader.ts';
import { anyHistory, limitSet } from './facts.ts';

function stateOf(facts: readonly Fact[]): State {
  const state = emptyState();
  for (const fact of facts) evolve(state, fact);
  return state;
}

function restored(parts: Iterable<string>): State {
  const reader = new SnapshotReader();
  for (const part of parts) reader.add(part);
  return reader.finish();
}

test('a snapshot is read as the state that it was written from', () => {
  fc.assert(
    fc.property(anyHistory, fc.integer({ min: 1, max: 2_000 }), (facts, partChars) => {
      const state = stateOf(facts);
      const again = restored(new SnapshotWriter(state).parts(partChars));
      expect(canonical(again)).toBe(canonical(state));
      const idsOf = (leases: Iterable<Lease> | null): string[] => [...(leases ?? [])].map(({ id }) => id);
      expect(idsOf(again.leases.values())).toEqual(idsOf(state.leases.values()));
      for (const { name, usage, leases, spenders } of state.limits.values()) {
        const limit = again.limits.get(name)!;
        expect(limit.usage).toEqual(usage);
        expect(idsOf(limit.leases)).toEqual(idsOf(leases));
        expect(idsOf(limit.spenders)).toEqual(idsOf(spenders));
      }
    }),
  );
});

test('a snapshot is of one position, whatever happens while its parts are written', () => {
  fc.assert(
    fc.property(
      anyHistory,
      fc.nat(),
      fc.integer({ min: 1, max: 2_000 }),
      fc.infiniteStream(fc.nat({ max: 4 })),
      (facts, pick, partChars, factsBetween) => {
        let position = pick % (facts.length + 1);
        const state = stateOf(facts.slice(0, position));
        // One after the other, so that each begins with what the one before it has marked.
        while (position < facts.length) {
          const begun = canonical(state);
          const writer = new SnapshotWriter(state);
          expect(writer.position).toBe(position);
          const parts: string[] = [];
          for (const part of writer.parts(partChars)) {
            parts.push(part);
            const upTo = Math.min(facts.length, position + (factsBetween.next().value as number));
            for (; position < upTo; position += 1) evolve(state, facts[position] as Fact);
          }
          expect(canonical(restored(parts))).toBe(begun);
          expect(canonical(state)).toBe(canonical(stateOf(facts.slice(0, position))));
          if (position < facts.length) evolve(state, facts[position++] as Fact);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a part is no longer than asked, but for its last row', () => {
  const facts = Array.from({ length: 500 }, (_, index) => limitSet(`limit ${index}`));
  const parts = [...new SnapshotWriter(stateOf(facts)).parts(1_000)];
  expect(parts.length).toBeGreaterThan(20);
  for (const part of parts) expect(part.length).toBeLessThan(1_200);
});

test('who stops early ends the snapshot, and another can begin', () => {
  const state = stateOf([limitSet('a'), limitSet('b')]);
  const stopped = new SnapshotWriter(state);
  expect(() => new SnapshotWriter(state)).toThrow('under way');
  for (const _ of stopped.parts(1)) break;
  evolve(state, limitSet('a', 2_000));
  expect(canonical(restored(new SnapshotWriter(state).parts()))).toBe(canonical(state));
  new SnapshotWriter(state).end();
  expect(canonical(restored(new SnapshotWriter(state).parts()))).toBe(canonical(state));
});

test('a state with a number that JSON does not have is not written', () => {
  const state = stateOf([limitSet('a')]);
  const limit = state.limits.get('a');
  if (limit) limit.usage = newUsage(1, Number.NaN);
  expect(() => [...new SnapshotWriter(state).parts()]).toThrow(Malformed);
});

const limit = '["limit","db","i",1,1,0,null,4,null,true,"open",16,null,null]';
const lease = (id: string, token: number, amounts = '[]'): string =>
  `["lease","${id}",${token},"s","process",null,true,1,[null,null,null,null,null],${amounts},[],"session"]`;
test.each([
  ['no JSON', ['[["state",1,1],[']],
  ['no part', []],
  ['no row of the state', [`[${limit}]`]],
  ['two rows of the state', ['[["state",1,1],["state",1,1]]']],
  ['an unknown row', ['[["state",1,1],["window",1]]']],
  ['a field too few', ['[["state",1]]']],
  ['a field too many', ['[["state",1,1,1]]']],
  ['a time of what is taken of a semaphore', [`[["state",1,1],${limit.replace('0,null,4', '0,1,4')}]`]],
  ['a limit twice', [`[["state",1,1],${limit}]`, `[${limit}]`]],
  ['a lease on a limit that does not exist', [`[["state",1,1],${lease('a', 1, '[["db",1]]')}]`]],
  ['a lease twice', [`[["state",2,1],${lease('a', 1)},${lease('a', 2)}]`]],
  ['a lease of the future', [`[["state",1,1],${lease('a', 2)}]`]],
])('a snapshot with %s is refused', (_, parts) => {
  expect(() => restored(parts)).toThrow(Malformed);
});
