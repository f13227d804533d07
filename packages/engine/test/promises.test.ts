/** What design.md promises of the line, each for random traffic. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scene } from './scene.ts';

const RUNS = { numRuns: 200 };

describe('on a single limit', () => {
  const traffic = fc.array(fc.record({ slots: fc.integer({ min: 1, max: 4 }), releases: fc.nat(3), pick: fc.nat(9) }), {
    maxLength: 60,
    size: 'max',
  });

  it('nobody is granted before somebody who came earlier, however big their requests', () => {
    const live = (arrivals: readonly { slots: number; releases: number; pick: number }[]) => {
      const scene = new Scene({ db: 4 });
      arrivals.forEach(({ slots, releases, pick }, i) => {
        scene.acquire(`lease ${i}`, { db: slots });
        for (let n = 0; n < releases; n++) {
          const held = scene.holding();
          if (held.length > 0) scene.release(held[pick % held.length]!);
        }
      });
      const order = scene.facts.flatMap((fact) =>
        fact.type === 'lease.granted' ? [Number(fact.leaseId.slice(6))] : [],
      );
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    };
    fc.assert(fc.property(traffic, live), RUNS);
  });

  it('waiters stand in the order of their arrival, each moved forward by its priority in seconds', () => {
    const arrivals = fc.array(fc.record({ afterMs: fc.nat(3000), priority: fc.integer({ min: -5, max: 5 }) }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(arrivals, (list) => {
        const scene = new Scene({ db: 1 });
        scene.acquire('holder', { db: 1 });
        const expected = list.map(({ afterMs, priority }, i) => {
          scene.sleep(afterMs);
          scene.acquire(`lease ${i}`, { db: 1 }, { priority });
          return { lease: `lease ${i}`, atMs: scene.nowMs - priority * 1000 };
        });
        expect(scene.waiting()).toEqual(expected.toSorted((a, b) => a.atMs - b.atMs).map(({ lease }) => lease));
      }),
      RUNS,
    );
  });
});

describe('on several limits', () => {
  const NAMES = ['a', 'b', 'c'];
  const amounts = fc
    .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 3 })), {
      minLength: 1,
      selector: ([name]) => name,
    })
    .map((entries): Record<string, number> => Object.fromEntries(entries));

  it('others pass the first in line `overtakes` times on each limit; from then on they leave its slots free', () => {
    const live = (overtakes: number, first: Record<string, number>, traffic: readonly Record<string, number>[]) => {
      const scene = new Scene();
      for (const name of NAMES) scene.limit(name, { slots: 3, overtakes });
      for (const name of NAMES) scene.acquire(`${name} held`, { [name]: 3 });
      scene.acquire('first', first);
      const passed = new Map(NAMES.map((name) => [name, 0]));
      let seen = scene.facts.length;
      traffic.forEach((wanted, i) => {
        const [oldest] = scene.holding();
        if (oldest) scene.release(oldest);
        scene.acquire(`lease ${i}`, wanted);
        for (const fact of scene.facts.slice(seen)) {
          if (fact.type !== 'lease.granted') continue;
          for (const [name] of fact.amounts) passed.set(name, passed.get(name)! + 1);
        }
        seen = scene.facts.length;
        if (!scene.waiting().includes('first')) return;
        for (const [name, slots] of Object.entries(first)) {
          if (passed.get(name)! > overtakes) expect(scene.engine.limitView(name)?.free).toBeGreaterThanOrEqual(slots);
        }
      });
    };
    fc.assert(fc.property(fc.nat(4), amounts, fc.array(amounts, { maxLength: 60, size: 'max' }), live), RUNS);
  });

  it('the first in line is granted though traffic on all its limits never ends', () => {
    const live = (overtakes: number, first: Record<string, number>, traffic: readonly Record<string, number>[]) => {
      const scene = new Scene();
      for (const name of NAMES) scene.limit(name, { slots: 3, overtakes });
      for (const name of NAMES) scene.acquire(`${name} held`, { [name]: 3 });
      scene.acquire('first', first);
      let i = 0;
      for (; scene.waiting().includes('first'); i++) {
        expect(i).toBeLessThan(100);
        scene.acquire(`lease ${i}`, traffic[i % traffic.length]!);
        const [oldest] = scene.holding();
        if (oldest) scene.release(oldest);
      }
    };
    fc.assert(fc.property(fc.nat(4), amounts, fc.array(amounts, { minLength: 1, maxLength: 20 }), live), RUNS);
  });

  it('every waiter has its turn: as long as holders release, somebody holds while anybody waits', () => {
    fc.assert(
      fc.property(fc.array(amounts, { maxLength: 40, size: 'max' }), (list) => {
        const scene = new Scene({ a: 3, b: 3, c: 3 });
        for (const [i, wanted] of list.entries()) scene.acquire(`lease ${i}`, wanted);
        for (let round = 0; scene.waiting().length > 0; round++) {
          expect(round).toBeLessThan(list.length);
          for (const lease of scene.holding()) scene.release(lease);
          expect(scene.holding()).not.toEqual([]);
        }
      }),
      RUNS,
    );
  });
});
