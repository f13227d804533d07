import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Order, Ordered } from '../src/ordered.ts';

interface Item {
  readonly key: number;
}

const byKey: Order<number, Item> = { key: ({ key }) => key, compare: (a, b) => a - b };

type Change =
  | { readonly is: 'add'; readonly from: number; readonly count: number; readonly step: number }
  | { readonly is: 'remove'; readonly from: number; readonly count: number; readonly step: number };

const KEYS = 4_000;

/** Runs, upwards and downwards, since a single item rarely makes a block split or join. */
const changes = fc.array(
  fc.record({
    is: fc.constantFrom('add', 'add', 'remove'),
    from: fc.integer({ min: 0, max: KEYS }),
    count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1_500 })),
    step: fc.constantFrom(1, -1, 2, 3, -7),
  }),
  { minLength: 1, maxLength: 12 },
) as fc.Arbitrary<Change[]>;

function keysOf({ from, count, step }: Change): number[] {
  return Array.from({ length: count }, (_, i) => from + i * step).filter((key) => key >= 0 && key <= KEYS);
}

function carryOut(ordered: Ordered<number, Item>, plain: Map<number, Item>, change: Change): void {
  for (const key of keysOf(change)) {
    const there = plain.get(key);
    if (change.is === 'add' && !there) {
      const item = { key };
      ordered.add(item);
      plain.set(key, item);
    } else if (change.is === 'remove' && there) {
      ordered.remove(there);
      plain.delete(key);
    }
  }
}

const sorted = (items: Iterable<Item>): Item[] => [...items].sort((a, b) => a.key - b.key);

describe('an ordered collection', () => {
  it('is what a plain sorted array is, whatever is added and removed', () => {
    fc.assert(
      fc.property(changes, fc.integer({ min: -1, max: KEYS + 1 }), (list, key) => {
        const ordered = new Ordered(byKey);
        const plain = new Map<number, Item>();
        for (const change of list) {
          carryOut(ordered, plain, change);
          const items = sorted(plain.values());
          expect([...ordered]).toEqual(items);
          expect(ordered.size).toBe(items.length);
          expect([...ordered.from(key)]).toEqual(items.filter((item) => item.key >= key));
          expect([...ordered.after(key)]).toEqual(items.filter((item) => item.key > key));
          expect([...ordered.skip(Math.max(0, key))]).toEqual(items.slice(Math.max(0, key)));
          expect(ordered.countBefore(key)).toBe(items.filter((item) => item.key < key).length);
          expect(ordered.get(key)).toBe(plain.get(key));
        }
      }),
    );
  });

  it('a walk sees each item that is there throughout exactly once, in order, while others come and go', () => {
    const pauses = fc.array(fc.record({ afterItems: fc.integer({ min: 0, max: 400 }), list: changes }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(changes, pauses, (before, pauses) => {
        const ordered = new Ordered(byKey);
        const plain = new Map<number, Item>();
        for (const change of before) carryOut(ordered, plain, change);
        const throughout = new Set(plain.values());
        const walk = ordered[Symbol.iterator]();
        const seen: Item[] = [];
        const look = (): boolean => {
          const { value, done } = walk.next();
          if (!done) seen.push(value);
          return !done;
        };
        for (const { afterItems, list } of pauses) {
          for (let i = 0; i < afterItems && look(); i += 1);
          for (const change of list) {
            carryOut(ordered, plain, change);
            for (const item of throughout) if (plain.get(item.key) !== item) throughout.delete(item);
          }
        }
        while (look());
        const keys = seen.map(({ key }) => key);
        expect(keys).toEqual([...new Set(keys)].sort((a, b) => a - b));
        expect(seen.filter((item) => throughout.has(item))).toEqual(sorted(throughout));
      }),
    );
  });

  it('refuses a second item with a key, and to remove what it does not have', () => {
    const ordered = new Ordered(byKey);
    const item = { key: 2 };
    for (const each of [{ key: 1 }, item, { key: 3 }]) ordered.add(each);
    expect(() => ordered.add({ key: 2 })).toThrow('already');
    expect(() => ordered.add({ key: 3 })).toThrow('already');
    expect(() => ordered.remove({ key: 2 })).toThrow('not in');
    expect(() => ordered.remove({ key: 4 })).toThrow('not in');
    ordered.remove(item);
    expect(() => ordered.remove(item)).toThrow('not in');
    expect([...ordered]).toEqual([{ key: 1 }, { key: 3 }]);
    expect(ordered.size).toBe(2);
  });
});
