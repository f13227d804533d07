/** Places and positions in the wait queue. */
import type { EngineMs } from './facts.ts';
import { compareTexts } from './ordered.ts';

/** The time at which the waiter joined minus its priority in seconds, then a number given as it joins. */
export interface Place {
  readonly atMs: EngineMs;
  readonly number: number;
}

/** The order of waiters: by place, then by lease id, since a client that comes back may claim another waiter's place. */
export interface Position {
  readonly place: Place;
  readonly leaseId: string;
}

export function comparePositions(a: Position, b: Position): number {
  if (isBefore(a.place, b.place)) return -1;
  if (isBefore(b.place, a.place)) return 1;
  return compareTexts(a.leaseId, b.leaseId);
}

export function isBefore(a: Place, b: Place): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
