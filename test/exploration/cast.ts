/** Who plays in an exploration: the limits, how many clients, what they may ask for, and what else may happen. */
import type { Amounts } from '@slotkeeper/engine';

export interface Ask {
  readonly amounts: Amounts;
  /** In milliseconds; null: for ever; 0: at once or not at all. */
  readonly timeoutMs: number | null;
  /** In seconds of head start. */
  readonly priority: number;
  readonly onMissing: 'error' | 'allow';
  /** What it takes of rates comes back with the lease. */
  readonly refunds: boolean;
  readonly ratesOnly: boolean;
}

/** `perSecond`: so many slots come back by themselves; null: it is a semaphore. */
export type CastLimit = readonly [name: string, slots: number, perSecond: number | null];

/**
 * Besides asking, letting go and giving up:
 * - `sessions`: clients go and come back, with or without what they had;
 * - `resize`: a limit gets one slot more or less than it began with;
 * - `pause`, `delete`: a limit is paused or deleted, and opened or made again;
 * - `time`: the next deadline comes, of a timeout or of a client that is away;
 * - `restart`: the server's process starts again from its journal;
 * - `refill`: so much time passes that half a slot of a rate comes back;
 * - `undo`: an acquire is cancelled after it was granted;
 * - `untracked`: a holder leaves its slots behind, and slots that are taken without a lease are given back or set;
 * - `rename`: a limit gets another name, and its own again;
 * - `kind`: a rate becomes a semaphore, or the other way round.
 */
export const TURNS = [
  'sessions',
  'resize',
  'pause',
  'delete',
  'time',
  'restart',
  'refill',
  'undo',
  'untracked',
  'rename',
  'kind',
] as const;
export type Turn = (typeof TURNS)[number];

export interface Cast {
  readonly limits: readonly CastLimit[];
  readonly clients: number;
  readonly asks: readonly Ask[];
  readonly turns: ReadonlySet<Turn>;
}

/** What asks have besides amounts. */
export const EXTRAS = ['try', 'timeout', 'priority', 'allow', 'refunds', 'rates'] as const;
export type Extra = (typeof EXTRAS)[number];

const TIMEOUT_MS = 500;

/** Each limit alone, in part and in full; each pair in both orders, since the order says where one parks; all at once. `extras` come once each. */
export function asks(limits: Cast['limits'], extras: readonly Extra[]): Ask[] {
  const plain = (...amounts: Amounts): Ask => ({
    amounts,
    timeoutMs: null,
    priority: 0,
    onMissing: 'error',
    refunds: false,
    ratesOnly: false,
  });
  const singles = limits.flatMap(([name, slots]) => [...new Set([1, slots])].map((some) => plain([name, some])));
  const pairs = limits.flatMap((one) =>
    limits.filter((other) => other !== one).map((other) => plain([one[0], 1], [other[0], other[1]])),
  );
  const whole = limits.length > 2 ? [plain(...limits.map(([name]) => [name, 1] as const))] : [];
  const alone = singles[0]!;
  const together = pairs.at(-1) ?? alone;
  const special: Record<Extra, Ask> = {
    try: { ...together, timeoutMs: 0 },
    timeout: { ...together, timeoutMs: TIMEOUT_MS },
    priority: { ...together, priority: 1 },
    allow: { ...together, onMissing: 'allow' },
    refunds: { ...alone, refunds: true },
    rates: { ...alone, ratesOnly: true },
  };
  return [...singles, ...pairs, ...whole, ...extras.map((extra) => special[extra])];
}
