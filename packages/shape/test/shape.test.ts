import {
  amounts,
  anything,
  boolean,
  count,
  type Field,
  holder,
  inline,
  integer,
  limitName,
  limitSettings,
  list,
  local,
  Malformed,
  nullable,
  number,
  object,
  oneOf,
  optional,
  orDefault,
  pair,
  row,
  shape,
  tag,
  text,
  uuid,
  wordOr,
} from '@slotkeeper/shape';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accepts } from './schema.ts';

const point = shape<{ x: number; y: number | null }>({ x: number(-5, 5), y: nullable(count) });
const colour = shape<{ name: string; depth: number }>({ name: text(8), depth: orDefault(integer(0, 32), 24) });

interface Thing {
  type: 'thing';
  name: string;
  kind: 'a' | 'b' | { x: number; y: number | null };
  at: { x: number; y: number | null } | null;
  edges: readonly (readonly [string, { x: number; y: number | null }])[];
  isNew: boolean;
  colour: { name: string; depth: number };
}

const thing = shape<Thing>({
  type: tag('t', 'thing'),
  name: text(8),
  kind: wordOr(['a', 'b'], object(point), 'a point'),
  at: nullable(row(point)),
  edges: list(pair(text(8), row(point))),
  isNew: boolean,
  colour: inline(colour),
});

const points = fc.record({ x: fc.double({ min: -5, max: 5, noNaN: true }), y: fc.option(fc.maxSafeNat()) });
const words = fc.string({ maxLength: 8 });
const things: fc.Arbitrary<Thing> = fc.record({
  type: fc.constant('thing'),
  name: words,
  kind: fc.oneof(fc.constantFrom('a', 'b'), points),
  at: fc.option(points),
  edges: fc.array(fc.tuple(words, points)),
  isNew: fc.boolean(),
  colour: fc.record({ name: words, depth: fc.nat(32) }),
});

/** As JSON carries it: without −0. */
function carried(fields: unknown[]): unknown[] {
  return JSON.parse(JSON.stringify(fields)) as unknown[];
}

function failure(read: () => unknown): { field: string; reason: string } {
  try {
    read();
  } catch (error) {
    if (error instanceof Malformed) return { field: error.field, reason: error.reason };
    throw error;
  }
  throw new Error('it was read');
}

describe('a row', () => {
  test('has the values in the order of the table, and is read as it was written', () => {
    const one: Thing = {
      type: 'thing',
      name: 'n',
      kind: 'b',
      at: { x: 1, y: null },
      edges: [['e', { x: 2, y: 3 }]],
      isNew: true,
      colour: { name: 'red', depth: 8 },
    };
    expect(thing.toRow(one)).toEqual(['t', 'n', 'b', [1, null], [['e', [2, 3]]], true, 'red', 8]);
    fc.assert(
      fc.property(things, (value) => {
        expect(thing.fromRow(carried(thing.toRow(value)))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('of a later version has more fields at its end: they are ignored, in nested rows too', () => {
    const later = ['t', 'n', 'b', [1, null, 'new'], [], true, 'red', 8, 'new', [1]];
    expect(thing.fromRow(later)).toEqual(thing.fromRow(['t', 'n', 'b', [1, null], [], true, 'red', 8]));
  });

  test('of an earlier version has fewer: the rest have their defaults, and what has none must be there', () => {
    expect(thing.fromRow(['t', 'n', 'b', null, [], true, 'red']).colour).toEqual({ name: 'red', depth: 24 });
    expect(failure(() => thing.fromRow(['t', 'n', 'b', null, [], true]))).toEqual({
      field: '',
      reason: 'must have 7 fields or more, but has 6',
    });
    expect(failure(() => thing.fromRow(['t', 'n'])).reason).toBe('must have 7 fields or more, but has 2');
  });

  test('that would end with defaults is written without them, and what is local is in none', () => {
    const grown = shape<{ a: number; b: number | null; c: boolean; mine: string }>({
      a: count,
      b: orDefault(nullable(count), null),
      c: orDefault(boolean, false),
      mine: local('here'),
    });
    expect(grown.toRow({ a: 1, b: null, c: false, mine: 'x' })).toEqual([1]);
    expect(grown.toRow({ a: 1, b: null, c: true, mine: 'x' })).toEqual([1, null, true]);
    expect(grown.fromRow([1])).toEqual({ a: 1, b: null, c: false, mine: 'here' });
    expect(grown.fromRow([1, 2, true, 'sent'])).toEqual({ a: 1, b: 2, c: true, mine: 'here' });
    expect(grown.check({ a: 1, b: 2, c: true, mine: 'x' }, '')).toBeUndefined();
    expect(grown.schema.properties).not.toHaveProperty('mine');
  });

  test('that has another type in a field is no row of the shape, and the failure names the field', () => {
    const good = (): unknown[] => ['t', 'n', 'b', [1, null], [['e', [2, 3]]], true, 'red', 8];
    const broken: readonly (readonly [at: number, value: unknown, field: string, reason: string])[] = [
      [0, 'u', 'type', `must be 't', but was "u"`],
      [1, 5, 'name', 'must be text, but was 5'],
      [2, 'c', 'kind', 'must be an object, but was "c"'],
      [3, [1], 'at', 'must have 2 fields or more, but has 1'],
      [3, ['1', null], 'at.x', 'must be a number from -5 to 5, but was "1"'],
      [3, [1, 1.5], 'at.y', 'must be a whole number, 0 or more, but was 1.5'],
      [4, {}, 'edges', 'must be a list, but was of type object'],
      [4, [['e']], 'edges', 'must be a list of 2, but was a list of 1'],
      [5, 1, 'isNew', 'must be true or false, but was 1'],
      [6, null, 'name', 'must be text, but was null'],
    ];
    for (const [at, value, field, reason] of broken)
      expect(failure(() => thing.fromRow(good().with(at, value)))).toEqual({ field, reason });
  });

  test('is read by its types alone: what a value says is for the check', () => {
    expect(thing.fromRow(['t', 'too long a name', 'a', [99, null], [], true, 'red', 8]).at).toEqual({ x: 99, y: null });
  });

  test('with any value in any place is read, or is malformed, nothing else', () => {
    fc.assert(
      fc.property(things, fc.nat(8), fc.jsonValue(), (value, at, other) => {
        const fields = carried(thing.toRow(value));
        fields[at] = other;
        try {
          thing.fromRow(fields);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
    );
  });
});

test('a shape that is written out for speed does what its table says', () => {
  const plain = shape(holder.fields);
  const text = fc.option(fc.string());
  const holders = fc.record({ type: text, id: text, label: text, host: text, pid: fc.option(fc.nat()) });
  fc.assert(
    fc.property(holders, (value) => {
      expect(holder.toRow(value)).toEqual(plain.toRow(value));
      expect(holder.fromRow(plain.toRow(value))).toEqual(value);
    }),
  );
});

describe('a check', () => {
  const options = shape<{ slots?: number; at: { x: number; y: number | null } }>(
    { slots: optional(integer(1, 9)), at: row(point) },
    { whole: 'options' },
  );
  const refused: readonly (readonly [value: unknown, message: string])[] = [
    [null, 'options must be an object, but was null'],
    [{ at: { x: 1, y: 2 }, slot: 1 }, 'slot is unknown here; there are slots, at'],
    [{ at: { x: 1, y: 2 }, slots: 0 }, 'slots must be a whole number from 1 to 9, but was 0'],
    [{}, 'at must be an object, but was missing'],
    [{ at: { x: 1 } }, 'at.y must be a whole number, 0 or more, but was missing'],
    [{ at: { x: 9, y: null } }, 'at.x must be a number from -5 to 5, but was 9'],
    [{ at: { x: 0, y: null, z: 1 } }, 'at.z is unknown here; there are x, y'],
  ];

  test.each(refused)('of %j says what is wrong, by the name that its sender knows', (value, message) => {
    const problem = options.check(value, '');
    expect(`${problem?.field} ${problem?.reason}`).toBe(message);
  });

  test('has nothing to say of what is allowed', () => {
    expect(options.check({ at: { x: 5, y: null } }, '')).toBeUndefined();
    expect(options.check({ at: { x: 5, y: 0 }, slots: 9 }, '')).toBeUndefined();
  });
});

describe('the JSON Schema', () => {
  const samples: readonly (readonly [name: string, field: Field<never>, values: fc.Arbitrary<unknown>])[] = [
    ['text', text(4), fc.string({ unit: 'grapheme', maxLength: 6 })],
    ['name', limitName, fc.string({ unit: 'binary', maxLength: 3 })],
    ['uuid', uuid, fc.oneof(fc.uuid(), fc.string())],
    ['integer', integer(0, 3), fc.oneof(fc.integer({ min: -2, max: 5 }), fc.double())],
    ['number', number(-1, 1), fc.double({ min: -2, max: 2 })],
    ['one of', oneOf('a', 'b', 'c'), fc.constantFrom('a', 'c', 'd', null)],
    ['amounts', amounts, fc.array(fc.tuple(fc.constantFrom('db', 'gpu', '', '/'), fc.nat(2)), { maxLength: 3 })],
    ['holder', row(holder), fc.record({ type: fc.option(fc.string()), id: fc.constant(null) })],
    ['limit', object(shape(limitSettings)), fc.jsonValue()],
    [
      'thing',
      object(thing),
      fc.oneof(
        things,
        things.map((value) => ({ ...value, more: 1 })),
      ),
    ],
    ['anything', anything, fc.anything()],
  ] as never;

  test.each(samples)('of %s accepts whatever the check accepts', (_, { check, schema }, values) => {
    fc.assert(
      fc.property(fc.oneof(values, fc.jsonValue()), (value) => {
        if (check(value, 'it') === undefined) expect(accepts(schema, value)).toBe(true);
      }),
    );
  });

  test('refuses what is of another type, out of range, or unknown', () => {
    const at = (value: unknown): boolean => accepts(object(point).schema, value);
    expect([{ x: 0, y: null }, { x: 9, y: null }, { x: '0', y: null }, { x: 0 }, { x: 0, y: 0, z: 0 }].map(at)).toEqual(
      [true, false, false, false, false],
    );
  });
});
