/**
 * Every small case: all that a few clients can do in every order, each state once. After each move nobody waits who could be
 * granted, what is seen is as it must be, and the journal gives the same state; from each state all are served once all let go.
 * Deeper with `npm run explore`; how deep it went is in docs/reliability.md.
 */
import { describe, expect, it } from 'vitest';
import { asks, type Cast, EXTRAS, type Extra, TURNS, type Turn } from './cast.ts';
import { explore } from './explore.ts';
import { Alone, Dueling } from './stepper.ts';

const TWO = limits({ a: 1, b: 2 });
const THREE = limits({ a: 1, b: 1, c: 1 });
const RATE = limits({ a: [1, 1] });
const RATE_OF_TWO = limits({ a: [2, 1] });
const BOTH = limits({ a: [1, 1], b: 2 });
const OF_SEMAPHORES: readonly Turn[] = ['sessions', 'resize', 'pause', 'delete', 'time', 'restart'];
const OF_WAITING: readonly Extra[] = ['try', 'timeout', 'priority', 'allow'];
const TIMEOUT_MS = 300_000;

function cast(limits: Cast['limits'], clients: number, turns: readonly Turn[], extras: readonly Extra[] = []): Cast {
  return { limits, clients, asks: asks(limits, extras), turns: new Set(turns) };
}

describe('in every state nobody waits who could be granted, and all are served once all let go', () => {
  it.each([
    { what: '3 clients on two limits, who come and go', cast: cast(TWO, 3, ['sessions']), states: 7_000 },
    { what: '4 clients on two limits', cast: cast(TWO, 4, []), states: 5_000 },
    { what: '3 clients on three limits', cast: cast(THREE, 3, []), states: 6_000 },
    {
      what: '3 clients on a rate, with slots that are taken without a lease',
      cast: cast(RATE, 3, ['refill', 'undo', 'untracked'], ['refunds', 'rates']),
      states: 9_000,
    },
    { what: '3 clients on a rate and a semaphore', cast: cast(BOTH, 3, ['refill']), states: 14_000 },
    {
      what: '2 clients on a rate, who come and go',
      cast: cast(RATE_OF_TWO, 2, ['refill', 'sessions'], ['refunds']),
      states: 15_000,
    },
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
    { what: 'two limits, 3 clients, everything', cast: cast(TWO, 3, TURNS, EXTRAS), depth: 3, states: 4_000 },
    {
      what: 'two semaphores, 3 clients, everything',
      cast: cast(TWO, 3, OF_SEMAPHORES, OF_WAITING),
      depth: 4,
      states: 13_000,
    },
    {
      what: 'a rate, 3 clients who come and go, slots without a lease, other kinds',
      cast: cast(RATE_OF_TWO, 3, ['refill', 'undo', 'untracked', 'sessions', 'kind'], ['refunds', 'rates']),
      depth: 5,
      states: 7_000,
    },
    {
      what: 'a rate and a semaphore, 3 clients, timeouts, new names',
      cast: cast(BOTH, 3, ['refill', 'time', 'rename'], ['timeout', 'allow']),
      depth: 5,
      states: 4_000,
    },
    {
      what: 'two limits, 3 clients who come and go, deadlines',
      cast: cast(TWO, 3, ['sessions', 'time']),
      depth: 6,
      states: 5_000,
    },
    {
      what: 'two limits, 3 clients who come and go, new sizes',
      cast: cast(TWO, 3, ['sessions', 'resize']),
      depth: 5,
      states: 4_000,
    },
    { what: 'two limits, 4 clients', cast: cast(TWO, 4, []), depth: 6, states: 3_000 },
  ])(
    'on $what: $depth moves',
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

function limits(slots: Readonly<Record<string, number | readonly [slots: number, perSecond: number]>>): Cast['limits'] {
  return Object.entries(slots).map(([name, size]) => (typeof size === 'number' ? [name, size, null] : [name, ...size]));
}
