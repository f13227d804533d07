/** Where a waiter stands in the wait queue. */
import type { EngineMs } from './facts.ts';

/** The time at which the waiter joined minus its priority in seconds, then a number given as it joins. */
export interface Place {
  readonly atMs: EngineMs;
  readonly number: number;
}

export function isBefore(a: Place, b: Place): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
