import { expect, test } from 'vitest';
import { ConcurrencySlotAcquisitionError } from '../../../src/prefect/v1/index.ts';
import { slotEvent } from '../../../src/prefect/v1/slot-event.ts';

const LIMIT = { id: 'a', name: 'db', limit: 1 };

test.each([
  ['4 minutes 59 seconds', 299_000, true],
  ['5 minutes', 300_000, false],
])('an event %s after another follows it: %s ms, %s', (_text, ageMs, follows) => {
  const now = slotEvent('acquired', LIMIT, [LIMIT], 'run');
  const before = { ...now, occurred: new Date(Date.now() - ageMs).toISOString() };
  expect(slotEvent('released', LIMIT, [LIMIT], 'run', before).follows).toBe(follows ? before.id : null);
});

test('later ids sort after earlier ones', () => {
  const { id, occurred } = slotEvent('acquired', LIMIT, [LIMIT], 'run');
  expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(Date.parse(occurred));
});

test('names are written as Python writes them', () => {
  const { message } = new ConcurrencySlotAcquisitionError(
    ['a', "it's", 'say "so"', '\'"', 'back\\slash', 'tab\t\x01'],
    {},
  );
  expect(message).toBe(
    `Unable to acquire concurrency limits ['a', "it's", 'say "so"', '\\'"', 'back\\\\slash', 'tab\\t\\x01']`,
  );
});
