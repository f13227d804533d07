/** The kind of limit that lends its slots: what one lease holds is there for others once it is given back. */
import type { Limit } from './state.ts';

/** Slots that may be granted now, `lapsedSlots` of them held by leases that end if they are needed. Below 0 when the limit was lowered below what is held. */
export function room(limit: Limit, lapsedSlots: number): number {
  return limit.settings.active ? limit.settings.slots - limit.held + lapsedSlots : Number.POSITIVE_INFINITY;
}

/** Slots nobody needs now, for people to see: never below 0, and finite for a limit that is switched off. */
export function freeSlots(limit: Limit, lapsedSlots: number): number {
  return Math.max(0, limit.settings.slots - limit.held + lapsedSlots);
}
