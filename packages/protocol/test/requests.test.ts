import {
  type AcquireRequest,
  checkAcquire,
  checkCall,
  checkHello,
  invalidRequest,
  limitSpec,
  newLimit,
  priority,
  timeoutMs,
} from '@slotkeeper/protocol';
import { amounts, type Check, holder, label, limitName, object, uuid, wordOr } from '@slotkeeper/shape';
import { expect, test } from 'vitest';

const id = '0b5e9f6e-3c1d-4b52-9d51-0a1b2c3d4e5f';
const nobody = { type: null, id: null, label: null, host: null, pid: null };
const acquire: AcquireRequest = {
  leaseId: id,
  amounts: [['db', 1]],
  timeoutMs: null,
  priority: 0,
  holder: nobody,
  onMissing: 'error',
  place: null,
  ratesOnly: false,
  refunds: false,
  skipInactive: false,
  limitIds: [],
};

const onMissing = wordOr(['error', 'allow'], object(newLimit), "a limit's settings");

const allowed: readonly [what: string, check: Check, values: readonly unknown[]][] = [
  ['name', limitName.check, ['a', 'x'.repeat(255), 'llm:acme', 'ünï 😀', "it's", 'a.b-c_d', '__proto__']],
  ['amounts', amounts.check, [[['a', 1]], [['a', 2 ** 31 - 1]], Array.from({ length: 64 }, (_, i) => [`l${i}`, 1])]],
  ['timeout', timeoutMs.check, [null, 0, 0.5, 86_400_000]],
  ['priority', priority.check, [0, -86_400, 86_400, 0.5]],
  ['label', label.check, [null, '', 'x'.repeat(255)]],
  ['id', uuid.check, [id]],
  ['holder', holder.check, [nobody, { type: 'task', id: '7', label: 'x', host: 'box', pid: 1 }]],
  [
    'spec',
    limitSpec.check,
    [{}, { slots: 0 }, { slots: 1, active: false, overtakes: 0, maxWaiters: null, description: 'x' }],
  ],
  ['onMissing', onMissing.check, ['error', 'allow', { slots: 1 }]],
];

test.each(allowed)('%s: what is allowed has no problem', (_, check, values) => {
  for (const value of values) expect(check(value, 'it')).toBeUndefined();
});

const refused: readonly [what: string, check: Check, values: readonly (readonly [unknown, string])[]][] = [
  [
    'name',
    limitName.check,
    [
      ['', 'it must not be empty.'],
      [5, 'it must be text, but was 5.'],
      [undefined, 'it must be text, but was missing.'],
      ['x'.repeat(256), 'it must be 255 characters at the most, but has 256.'],
      ['a\0b', 'it must be well-formed text without NUL, but was "a\\u0000b".'],
      ['\ud800', 'it must be well-formed text without NUL, but was "\\ud800".'],
      ...['/', '%', '&', '>', '<'].map((c): [string, string] => [c, `it must have none of / % & > <, but was "${c}".`]),
    ],
  ],
  [
    'amounts',
    amounts.check,
    [
      [[], 'it must name 1 to 64 limits, but names 0.'],
      [Array.from({ length: 65 }, (_, i) => [`l${i}`, 1]), 'it must name 1 to 64 limits, but names 65.'],
      [
        [
          ['a', 1],
          ['a', 1],
        ],
        'it must name each limit once, but names "a" twice.',
      ],
      [[['a/b', 1]], 'it: a limit\'s name must have none of / % & > <, but was "a/b".'],
      ...[0, -1, 1.5, 2 ** 31, 2 ** 53, Number.NaN].map((slots): [unknown, string] => [
        [['a', slots]],
        `it: slots of 'a' must be a whole number from 1 to 2147483647, but was ${slots}.`,
      ]),
    ],
  ],
  [
    'timeout',
    timeoutMs.check,
    [-1, Number.NaN, Number.POSITIVE_INFINITY].map((v) => [
      v,
      `it must be a number from 0 to 2147483647000, but was ${v}.`,
    ]),
  ],
  [
    'priority',
    priority.check,
    [-86_401, 86_401, Number.NaN].map((v) => [v, `it must be a number from -86400 to 86400, but was ${v}.`]),
  ],
  ['label', label.check, [['x'.repeat(256), 'it must be 255 characters at the most, but has 256.']]],
  [
    'id',
    uuid.check,
    [
      ['7', 'it must be a UUID in lower case, but was "7".'],
      [id.toUpperCase(), `it must be a UUID in lower case, but was "${id.toUpperCase()}".`],
    ],
  ],
  [
    'holder',
    holder.check,
    [
      [{ ...nobody, pid: 1.5 }, 'it.pid must be a whole number from 0 to 2147483647, but was 1.5.'],
      [{ ...nobody, type: 1 }, 'it.type must be text, but was 1.'],
    ],
  ],
  [
    'spec',
    limitSpec.check,
    [
      [null, 'it must be an object, but was null.'],
      [{ slots: -1 }, 'it.slots must be a whole number from 0 to 2147483647, but was -1.'],
      [
        { slot: 1 },
        'it.slot is unknown here; there are slots, slotDecayPerSecond, active, overtakes, maxWaiters, description.',
      ],
      [{ active: 'yes' }, 'it.active must be true or false, but was "yes".'],
      [{ description: 'x'.repeat(1_001) }, 'it.description must be 1000 characters at the most, but has 1001.'],
    ],
  ],
  [
    'onMissing',
    onMissing.check,
    [
      ['no', "it must be 'error', 'allow' or a limit's settings, but was \"no\"."],
      [{}, 'it.slots must be a whole number from 0 to 2147483647, but was missing.'],
    ],
  ],
];

test.each(refused)(
  '%s: what is not allowed is told with the field, the range and what was seen',
  (_, check, values) => {
    for (const [value, message] of values) expect(invalidRequest(check(value, 'it')!).message).toBe(message);
  },
);

test('an acquire is checked field by field', () => {
  expect(checkAcquire(acquire)).toBeUndefined();
  expect(checkAcquire({ ...acquire, leaseId: 'x' })?.field).toBe('leaseId');
  expect(checkAcquire({ ...acquire, timeoutMs: -1 })?.field).toBe('timeoutMs');
  expect(checkAcquire({ ...acquire, priority: 1e9 })?.field).toBe('priority');
});

test('a hello is checked', () => {
  const hello = {
    type: 'hello',
    versionMin: 2,
    sessionId: id,
    connection: 1,
    ttlMs: 15_000,
    apiKey: null,
    versionMax: 0,
  } as const;
  expect(checkHello(hello)).toBeUndefined();
  expect(checkHello({ ...hello, ttlMs: 1_999 })?.field).toBe('ttlMs');
  for (const connection of [0, -1, 1.5]) expect(checkHello({ ...hello, connection })?.field).toBe('connection');
  expect(checkHello({ ...hello, sessionId: 'me' })?.field).toBe('sessionId');
});

test('a call is checked by its method, and has its fields and no other', () => {
  expect(checkCall('limits.set', { name: 'db', spec: { slots: 1 } })).toBeUndefined();
  expect(checkCall('limits.set', { name: 'db', spec: { slots: 'x' } })?.field).toBe('spec.slots');
  expect(checkCall('limits.get', { name: 'db', more: 1 })?.field).toBe('more');
  expect(checkCall('limits.get', {})?.field).toBe('name');
  expect(checkCall('limits.get', null)?.field).toBe('params');
  expect(checkCall('toString', {})).toEqual({ field: 'method', reason: 'is unknown: "toString"' });
});
