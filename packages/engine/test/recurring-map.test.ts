import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecurringMap } from '../src/recurring-map.ts';

it('a map for keys that come again is what a plain map is, whatever is set and deleted', () => {
  const act = fc.record({ isSet: fc.boolean(), from: fc.nat(150), count: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 20 }), (acts) => {
      const map = new RecurringMap<number, object>();
      const plain = new Map<number, object>();
      for (const { isSet, from, count } of acts) {
        for (let key = from; key < from + count; key += 1) {
          const value = { key };
          if (isSet) map.set(key, value);
          else expect(map.delete(key)).toBe(plain.has(key));
          if (isSet) plain.set(key, value);
          else plain.delete(key);
        }
        expect(map.size).toBe(plain.size);
        for (let key = 0; key < 250; key += 1) {
          expect(map.get(key)).toBe(plain.get(key));
          expect(map.has(key)).toBe(plain.has(key));
        }
      }
    }),
  );
});
