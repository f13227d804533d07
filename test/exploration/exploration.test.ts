/**
 * Every small case: whatever a few clients can do in whatever order, each state once. After each move nobody waits who could be
 * granted, what is seen is as it must be, and the journal gives the same state; from each state all are served once all let go.
 * Deeper with `npm run explore`; how deep it went is in docs/reliability.md.
 */
import { describe, expect, it } from 'vitest';
import { type Cast, EXTRAS, type Extra, TURNS, type Turn, wishes } from './cast.ts';
import { explore } from './explore.ts';
import { Alone, Dueling } from './stepper.ts';

const TWO = limits({ a: 1, b: 2 });
const THREE = limits({ a: 1, b: 1, c: 1 });
const TIMEOUT_MS = 300_000;

function cast(limits: Cast['limits'], clients: number, turns: readonly Turn[], extras: readonly Extra[] = []): Cast {
  return { limits, clients, wishes: wishes(limits, extras), turns: new Set(turns) };
}

describe('in every state nobody waits who could be granted, and all are served once all let go', () => {
  it.each([
    { what: '3 clients on two limits, who come and go', cast: cast(TWO, 3, ['sessions']), states: 7_000 },
    { what: '4 clients on two limits', cast: cast(TWO, 4, []), states: 5_000 },
    { what: '3 clients on three limits', cast: cast(THREE, 3, []), states: 6_000 },
  ])(
    '$what: all states there are',
    ({ cast, states }) => {
      const explored = explore(cast, { depth: 100, stepper: () => new Alone() });
      expect(explored.complete).toBe(true);
      expect(sum(explored.states)).toBeGreaterThan(states);
    },
    TIMEOUT_MS,
  );

  it.each([
    { what: '4 clients on two limits, who come and go', cast: cast(TWO, 4, ['sessions']), depth: 7, states: 28_000 },
    { what: '5 clients on two limits', cast: cast(TWO, 5, []), depth: 7, states: 20_000 },
    { what: '3 clients on three limits, who come and go', cast: cast(THREE, 3, ['sessions']), depth: 4, states: 4_000 },
  ])(
    '$what: $depth moves',
    ({ cast, depth, states }) => {
      const explored = explore(cast, { depth, stepper: () => new Alone() });
      expect(sum(explored.states)).toBeGreaterThan(states);
    },
    TIMEOUT_MS,
  );
});

describe('the engine does and says what the model does and says', () => {
  it.each([
    { what: '3 clients, everything that can happen', cast: cast(TWO, 3, TURNS, EXTRAS), depth: 4, states: 13_000 },
    { what: '3 clients who come and go, deadlines', cast: cast(TWO, 3, ['sessions', 'time']), depth: 6, states: 5_000 },
    {
      what: '3 clients who come and go, new sizes',
      cast: cast(TWO, 3, ['sessions', 'resize']),
      depth: 5,
      states: 4_000,
    },
    { what: '4 clients', cast: cast(TWO, 4, []), depth: 6, states: 3_000 },
  ])(
    'on two limits, $what: $depth moves',
    ({ cast, depth, states }) => {
      const explored = explore(cast, { depth, stepper: () => new Dueling() });
      expect(sum(explored.states)).toBeGreaterThan(states);
    },
    TIMEOUT_MS,
  );
});

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count);
}

function limits(slots: Readonly<Record<string, number>>): Cast['limits'] {
  return Object.entries(slots);
}
