/**
 * Untracked slots: taken without a lease. Prefect's bare increments take them (a lease released with `untracked`), bare
 * decrements return them, and `active_slots` sets how many count as taken. Those of a rate decay like any other.
 */
import type { EngineMs } from './facts.ts';
import { type Counted, takenSlots } from './usage.ts';

/** Whole slots that are taken without a lease. */
export function untrackedSlots(limit: Counted, nowMs: EngineMs): number {
  return takenSlots(limit, 0, nowMs) - limit.usage.held;
}
