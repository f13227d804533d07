/**
 * How much of a limit is taken: a union by kind, with one small module a kind (semaphore.ts, rate.ts). Everything else
 * asks here and knows no kinds.
 */
import type { EngineMs, LimitSettings } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import * as rate from './rate.ts';
import * as semaphore from './semaphore.ts';

export type Usage = semaphore.SemaphoreUsage | rate.RateUsage;

/** The parts of a limit that count its slots. */
export interface Counted {
  readonly name: string;
  readonly settings: LimitSettings;
  readonly usage: Usage;
}

/** The usage of a limit with this decay. As of `atMs`, leases hold `held` slots, and `taken` are taken in all. */
export function newUsage(slotDecayPerSecond: number | null, atMs: EngineMs, held = 0, taken = 0): Usage {
  return slotDecayPerSecond === null
    ? semaphore.newSemaphore(held, taken)
    : rate.newRate(slotDecayPerSecond, held, taken, atMs);
}

/** Whether limits with this setting are rates. */
export function isRate({ slotDecayPerSecond }: { readonly slotDecayPerSecond?: number | null }): boolean {
  return (slotDecayPerSecond ?? null) !== null;
}

/** Slots that count as taken; of a rate with a fraction. */
export function takenAt(usage: Usage, nowMs: EngineMs): number {
  return usage.kind === 'rate' ? rate.takenAt(usage, nowMs) : usage.taken;
}

/**
 * Slots that may be granted, `lapsedSlots` of them held by leases that end if they are needed. Below 0 when the limit was
 * lowered below what is taken.
 */
export function room({ settings, usage }: Counted, lapsedSlots: number, nowMs: EngineMs): number {
  return settings.active ? settings.slots - takenWithout(usage, lapsedSlots, nowMs) : Number.POSITIVE_INFINITY;
}

/** When, at the earliest, the room will be `slots` if nothing is given back; null: never. */
export function roomAtMs(limit: Counted, slots: number, lapsedSlots: number, nowMs: EngineMs): EngineMs | null {
  const { usage, settings } = limit;
  if (usage.kind !== 'rate' || slots > settings.slots) return null;
  const atMs = rate.grownAtMs(usage, slots - room(limit, lapsedSlots, nowMs), nowMs);
  if (atMs === null) return null;
  // By rounding, that may be a moment before there is room: then take the next number that a clock can show.
  return room(limit, lapsedSlots, atMs) < slots ? atMs * (1 + Number.EPSILON) : atMs;
}

/** Free slots as people see them: whole ones, never below 0, and finite for a limit that is switched off. */
export function freeSlots({ settings, usage }: Counted, lapsedSlots: number, nowMs: EngineMs): number {
  return Math.max(0, Math.floor(settings.slots - takenWithout(usage, lapsedSlots, nowMs) + ROUNDING));
}

/** Taken slots as people see them, without those of lapsed leases: a slot that is taken in part counts. */
export function takenSlots({ usage }: Counted, lapsedSlots: number, nowMs: EngineMs): number {
  return Math.max(0, Math.ceil(takenWithout(usage, lapsedSlots, nowMs) - ROUNDING));
}

/** Sums of fractions may be off by this much. */
const ROUNDING = 1e-6;

/** Call after a grant. */
export function assertWithin({ name, settings, usage }: Counted, nowMs: EngineMs): void {
  const taken = takenAt(usage, nowMs);
  // Written as a negation, so that NaN breaks the invariant, too.
  if (settings.active && !(taken <= settings.slots + ROUNDING)) {
    throw new BrokenInvariant(`a grant made ${taken} slots of limit '${name}' taken, which has ${settings.slots}`);
  }
}

// Changes, for `evolve` alone

/** Takes so many more slots. */
export function take(usage: Usage, slots: number, atMs: EngineMs): void {
  if (usage.kind === 'rate') rate.take(usage, slots, atMs);
  else semaphore.take(usage, slots);
}

/** Returns so many slots, as far as no lease holds them and they have not come back by themselves. */
export function giveBack(usage: Usage, slots: number, atMs: EngineMs): void {
  if (usage.kind === 'rate') rate.giveBack(usage, slots, atMs);
  else semaphore.giveBack(usage, slots);
}

/** Sets how many slots count as taken. If leases hold more, their number counts. */
export function setTaken(usage: Usage, slots: number, atMs: EngineMs): void {
  const taken = Math.max(slots, Math.min(takenAt(usage, atMs), usage.held));
  if (usage.kind === 'rate') rate.set(usage, taken, atMs);
  else usage.taken = taken;
}

/** A lease now holds so many of the taken slots. */
export function hold(usage: Usage, slots: number): void {
  usage.held += slots;
}

/** A lease no longer holds so many slots. They stay taken until `giveBack`. */
export function letGo(usage: Usage, slots: number): void {
  usage.held -= slots;
  if (usage.held < 0) throw new BrokenInvariant(`leases let go of ${-usage.held} more slots than they hold`);
}

/** The usage from now on, with another decay. The past still counts by the old one. */
export function changed(usage: Usage, slotDecayPerSecond: number | null, atMs: EngineMs): Usage {
  // As a semaphore, the limit would never get spent slots back, so they are forgotten.
  const isKept = usage.kind === 'semaphore' || slotDecayPerSecond !== null;
  return newUsage(slotDecayPerSecond, atMs, usage.held, isKept ? takenAt(usage, atMs) : usage.held);
}

function takenWithout(usage: Usage, lapsedSlots: number, nowMs: EngineMs): number {
  if (usage.kind === 'rate') return rate.takenWithout(usage, lapsedSlots, usage.held - lapsedSlots, nowMs);
  return usage.taken - lapsedSlots;
}
