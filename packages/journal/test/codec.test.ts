import type { Fact } from '@slotkeeper/engine';
import { Malformed } from '@slotkeeper/shape';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFacts } from '../src/codec.ts';
import { decodeFacts, FORMAT } from '../src/formats.ts';
import { anyFact } from './facts.ts';
import { granted } from './numbered.ts';

test('facts are read as they were written, whatever is in them', () => {
  fc.assert(
    fc.property(fc.array(anyFact, { maxLength: 20 }), (facts) => {
      expect(decodeFacts(encodeFacts(facts), FORMAT)).toEqual(facts);
    }),
  );
});

test('what is written is text that UTF-8 can carry', () => {
  fc.assert(
    fc.property(anyFact, (fact) => {
      const encoded = encodeFacts([fact]);
      expect(Buffer.from(encoded, 'utf8').toString('utf8')).toBe(encoded);
    }),
  );
});

test('a number that JSON cannot hold is not written', () => {
  expect(() => encodeFacts([granted('a', Number.NaN)])).toThrow(Malformed);
  expect(() => encodeFacts([{ ...granted('a'), ttlMs: Number.POSITIVE_INFINITY } as Fact])).toThrow(Malformed);
});

test.each([
  ['no JSON', '[["expire",1,"a"]'],
  ['no list', '{}'],
  ['an unknown kind', '[["resize",1,"a"]]'],
  ['a field too few', '[["revoke",1,"a"]]'],
  ['who asked, without an address', '[["revoke",1,"a","b",["ci"]]]'],
  ['a field after who asked', '[["revoke",1,"a","b",["ci",null],1]]'],
  ['a field too many', '[["expire",1,"a","b"]]'],
  ['a time that is text', '[["expire","1","a"]]'],
  ['a lease that is a number', '[["expire",1,2]]'],
  ['an unknown lifeline', '[["grant",1,"a","s","hope",1,[],[null,null,null,null,null],false,"session"]]'],
  ['less than no slots', '[["grant",1,"a","s","process",1,[["db",-1]],[null,null,null,null,null],false,"session"]]'],
  ['half a slot', '[["grant",1,"a","s","process",1,[["db",0.5]],[null,null,null,null,null],false,"session"]]'],
  ['a holder without a field', '[["grant",1,"a","s","process",1,[],[null,null,null,null],false,"session"]]'],
  ['an unknown origin', '[["grant",1,"a","s","process",1,[],[null,null,null,null,null],false,"door"]]'],
  [
    'a holder with a field too many',
    '[["grant",1,"a","s","process",1,[],[null,null,null,null,null,1],false,"session"]]',
  ],
  ['settings with a field too many', '[["set",1,"db","i",1,null,true,"open",16,null,null,1]]'],
  ['an unknown origin', '[["grant",1,"a","s","process",1,[],[null,null,null,null,null],false,"letter"]]'],
  ['an unknown mode', '[["set",1,"db","i",1,null,true,"closed",16,null,null]]'],
  ['a rate that brings nothing back', '[["set",1,"db","i",1,0,true,"open",16,null,null]]'],
  ['an unknown end of a lease', '[["release",1,"a",null,"lost"]]'],
])('%s is refused', (_, encoded) => {
  expect(() => decodeFacts(encoded, FORMAT)).toThrow(Malformed);
});

test('facts of format 4 that do not say who asked for them are read, and are of nobody who is known', () => {
  expect(decodeFacts('[["revoke",1,"a","so"],["delete",2,"db"]]', FORMAT)).toEqual([
    { type: 'lease.revoked', at: 1, leaseId: 'a', reason: 'so', by: null },
    { type: 'limit.deleted', at: 2, name: 'db', by: null },
  ]);
});

test('slots that version 0.1.0 called left are untracked', () => {
  const row = '[["release",1,"a",null,"left"]]';
  expect(decodeFacts(row, 3)).toEqual([{ type: 'lease.released', at: 1, leaseId: 'a', names: null, how: 'untracked' }]);
  expect(() => decodeFacts(row, FORMAT)).toThrow(Malformed);
});
