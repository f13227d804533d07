/** Random lives for fast-check: an action says what somebody tries to do. Any list of actions makes sense, so failures shrink well. */
import fc from 'fast-check';
import type { Amounts, Lifeline, LimitPatch, OnMissing } from '../src/index.ts';

export type Action = { readonly waitMs: number } & (
  | { readonly do: 'connect'; readonly client: number; readonly forget: boolean }
  | {
      readonly do: 'acquire';
      readonly client: number;
      readonly amounts: Amounts;
      readonly timeoutMs: number | null;
      readonly priority: number;
      readonly onMissing: OnMissing;
      readonly skipInactive: boolean;
      readonly ratesOnly: boolean;
      readonly refunds: boolean;
    }
  /** `undo`: cancelled after it was granted. `leave`: its slots stay taken without it. */
  | {
      readonly do: 'repeat' | 'cancel' | 'undo' | 'release' | 'releaseStale' | 'releasePart' | 'leave' | 'renew';
      readonly pick: number;
    }
  | { readonly do: 'alive' | 'close'; readonly client: number }
  | { readonly do: 'lose'; readonly client: number; readonly keepMs: number | null }
  | { readonly do: 'set'; readonly name: string; readonly patch: LimitPatch }
  | { readonly do: 'delete'; readonly name: string; readonly force: boolean }
  | { readonly do: 'rename'; readonly name: string; readonly to: string }
  | { readonly do: 'occupy'; readonly name: string; readonly slots: number }
  | { readonly do: 'return'; readonly amounts: Amounts }
  /** `beating`: every connected client gives a sign of life in time. */
  | { readonly do: 'sleep'; readonly ms: number; readonly beating: boolean }
  | { readonly do: 'tickLate' | 'stall'; readonly ms: number }
  | { readonly do: 'restart' }
);

export const NAMES = ['a', 'b', 'c'];
export const LIFELINES: readonly { lifeline: Lifeline; ttlMs: number | null }[] = [
  { lifeline: 'heartbeat', ttlMs: 2000 },
  { lifeline: 'heartbeat', ttlMs: 3000 },
  { lifeline: 'heartbeat', ttlMs: 2000 },
  { lifeline: 'process', ttlMs: null },
  { lifeline: 'renewal', ttlMs: 2500 },
];

const client = fc.nat(LIFELINES.length - 1);
const pick = fc.nat(15);
const name = fc.constantFrom(...NAMES);
const otherName = fc.constantFrom(...NAMES, 'd', 'd');
const ms = fc.constantFrom(1, 100, 333, 500, 500, 999, 1000, 1999, 2000, 2500, 4000, 6000);
const amounts = fc.uniqueArray(
  fc.tuple(fc.constantFrom(...NAMES, ...NAMES, ...NAMES, 'd'), fc.constantFrom(1, 1, 1, 1, 2, 2, 2, 3, 3, 4)),
  {
    minLength: 1,
    maxLength: 3,
    selector: ([name]) => name,
  },
);
const onMissing: fc.Arbitrary<OnMissing> = fc.constantFrom<OnMissing>('error', 'error', 'allow', {
  slots: 2,
});
/** With a third of a second it comes to moments that no clock can tell. */
const decay = fc.constantFrom(null, 0.5, 1, 2, 3);

/** How fast each limit decays as it begins; null: it is a semaphore. */
export type Decays = Readonly<Record<string, number | null>>;
export const decays: fc.Arbitrary<Decays> = fc.record({ a: decay, b: decay, c: decay });
const shortMs = fc.constantFrom(1, 10, 300, 333, 334, 500, 667, 1000);
const patch: fc.Arbitrary<LimitPatch> = fc.oneof(
  fc.record({ slots: fc.nat(4) }),
  fc.record({ slots: fc.constantFrom(2, 3, 4) }),
  fc.record({ active: fc.boolean() }),
  fc.record({ mode: fc.constantFrom('open' as const, 'open' as const, 'paused' as const, 'draining' as const) }),
  fc.record({ overtakes: fc.nat(3) }),
);
const rate: fc.Arbitrary<LimitPatch> = fc.record({ slotDecayPerSecond: decay });

/** `also` are the rarer things that may happen besides acquire and release. */
export function actions(also: {
  sessions: boolean;
  limits: boolean;
  rates: boolean;
  restarts: boolean;
}): fc.Arbitrary<Action[]> {
  const weighted = [
    [
      8,
      fc.record({
        do: fc.constant('acquire' as const),
        client,
        amounts,
        timeoutMs: fc.constantFrom(null, null, null, 0, 700, 2500),
        priority: fc.constantFrom(0, 0, 0, 1, 2, -1),
        onMissing: also.limits ? onMissing : fc.constant<OnMissing>('error'),
        skipInactive: fc.boolean(),
        ratesOnly: also.rates ? fc.constantFrom(false, false, false, true) : fc.constant(false),
        refunds: fc.constantFrom(false, false, false, true),
      }),
    ],
    [6, fc.record({ do: fc.constantFrom('release' as const, 'cancel' as const), pick })],
    [also.rates ? 3 : 1, fc.record({ do: fc.constantFrom('undo' as const, 'leave' as const), pick })],
    [
      also.rates ? 2 : 1,
      fc.oneof(
        fc.record({ do: fc.constant('return' as const), amounts }),
        fc.record({ do: fc.constant('occupy' as const), name, slots: fc.nat(4) }),
      ),
    ],
    [also.rates ? 3 : 0, fc.record({ do: fc.constant('sleep' as const), ms: shortMs, beating: fc.constant(true) })],
    [1, fc.record({ do: fc.constantFrom('releaseStale' as const, 'releasePart' as const, 'repeat' as const), pick })],
    [
      2,
      fc.record({ do: fc.constant('sleep' as const), ms, beating: also.sessions ? fc.boolean() : fc.constant(true) }),
    ],
    [2, fc.record({ do: fc.constant('connect' as const), client, forget: fc.boolean() })],
    [also.sessions ? 3 : 0, fc.record({ do: fc.constantFrom('alive' as const), client })],
    [
      also.sessions ? 2 : 0,
      fc.record({ do: fc.constant('lose' as const), client, keepMs: fc.constantFrom(null, null, 800) }),
    ],
    [
      also.sessions ? 1 : 0,
      fc.oneof(
        fc.record({ do: fc.constant('close' as const), client }),
        fc.record({ do: fc.constant('renew' as const), pick }),
        fc.record({ do: fc.constantFrom('stall' as const, 'tickLate' as const), ms }),
      ),
    ],
    [
      also.limits ? 3 : 0,
      fc.oneof(
        { weight: 5, arbitrary: fc.record({ do: fc.constant('set' as const), name, patch }) },
        { weight: also.rates ? 3 : 0, arbitrary: fc.record({ do: fc.constant('set' as const), name, patch: rate }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), name: otherName, to: otherName }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), name, force: fc.boolean() }) },
      ),
    ],
    [also.restarts ? 1 : 0, fc.constant({ do: 'restart' as const })],
  ] as const;
  const what = fc.oneof(
    ...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary: arbitrary as fc.Arbitrary<object> })),
  );
  const waitMs = also.rates
    ? fc.constantFrom(0, 0, 0, 1, 10, 300, 333, 500, 1000)
    : fc.constantFrom(0, 0, 0, 1, 10, 300);
  return fc.array(
    fc.tuple(what, waitMs).map(([what, waitMs]) => ({ waitMs, ...what }) as Action),
    { maxLength: 60, size: 'max' },
  );
}
