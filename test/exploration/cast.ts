/** Who plays in an exploration: the limits, how many clients, what they may ask for, and what else may happen. */
import type { Amounts } from '@slotkeeper/engine';

export interface Wish {
  readonly amounts: Amounts;
  /** In milliseconds; null: for ever; 0: at once or not at all. */
  readonly timeoutMs: number | null;
  /** In seconds of head start. */
  readonly priority: number;
  readonly onMissing: 'error' | 'allow';
}

/**
 * Besides asking, letting go and giving up:
 * - `sessions`: clients go and come back, with or without what they had;
 * - `resize`: a limit gets one slot more or less than it began with;
 * - `pause`, `delete`: a limit is paused or deleted, and opened or made again;
 * - `time`: the next deadline comes, of a timeout or of a client that is away;
 * - `restart`: the server's process starts again from its journal.
 */
export const TURNS = ['sessions', 'resize', 'pause', 'delete', 'time', 'restart'] as const;
export type Turn = (typeof TURNS)[number];

export interface Cast {
  readonly limits: readonly (readonly [name: string, slots: number])[];
  readonly clients: number;
  readonly wishes: readonly Wish[];
  readonly turns: ReadonlySet<Turn>;
}

/** What wishes have besides amounts. */
export const EXTRAS = ['try', 'timeout', 'priority', 'allow'] as const;
export type Extra = (typeof EXTRAS)[number];

const TIMEOUT_MS = 500;

/** Each limit alone, in part and in full; each pair in both orders, since the order says where one parks; all at once. `extras` come once each. */
export function wishes(limits: Cast['limits'], extras: readonly Extra[]): Wish[] {
  const plain = (...amounts: Amounts): Wish => ({ amounts, timeoutMs: null, priority: 0, onMissing: 'error' });
  const singles = limits.flatMap(([name, slots]) => [...new Set([1, slots])].map((some) => plain([name, some])));
  const pairs = limits.flatMap((one) =>
    limits.filter((other) => other !== one).map((other) => plain([one[0], 1], [other[0], other[1]])),
  );
  const whole = limits.length > 2 ? [plain(...limits.map(([name]) => [name, 1] as const))] : [];
  const together = pairs.at(-1) ?? singles[0]!;
  const special: Record<Extra, Wish> = {
    try: { ...together, timeoutMs: 0 },
    timeout: { ...together, timeoutMs: TIMEOUT_MS },
    priority: { ...together, priority: 1 },
    allow: { ...together, onMissing: 'allow' },
  };
  return [...singles, ...pairs, ...whole, ...extras.map((extra) => special[extra])];
}
