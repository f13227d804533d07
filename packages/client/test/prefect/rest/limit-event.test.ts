import { expect, test } from 'vitest';
import { type LimitEvent, limitEvent } from '../../../src/prefect/rest/limit-event.ts';

const LIMIT = { id: 'a', name: 'db', limit: 1 };

function eventOf(phase: 'acquired' | 'released', before?: LimitEvent): LimitEvent {
  return limitEvent({ kind: 'prefect.concurrency-limit', phase, limit: LIMIT, limits: [LIMIT], about: {}, before });
}

test.each([
  ['4 minutes 59 seconds', 299_000, true],
  ['5 minutes', 300_000, false],
])('an event %s after another follows it: %s ms, %s', (_text, ageMs, follows) => {
  const before = { ...eventOf('acquired'), occurred: new Date(Date.now() - ageMs).toISOString() };
  expect(eventOf('released', before).follows).toBe(follows ? before.id : null);
});

test('later ids sort after earlier ones', () => {
  const { id, occurred } = eventOf('acquired');
  expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(Date.parse(occurred));
});
