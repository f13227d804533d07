/**
 * How much of a limit is taken: a union by kind, with one small module a kind (semaphore.ts, rate.ts). Everything else
 * asks here and knows no kinds.
 */
import type { EngineMs, LimitSettings } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import * as rate from './rate.ts';
import * as semaphore from './semaphore.ts';

export type Usage = semaphore.SemaphoreUsage | rate.RateUsage;

/** A limit, as far as its slots are counted. */
export interface Counted {
  readonly name: string;
  readonly settings: LimitSettings;
  readonly usage: Usage;
}

/** That of a limit with this decay. What was counted until `atMs` was `held` by leases and `taken` in all. */
export function newUsage(slotDecayPerSecond: number | null, atMs: EngineMs, held = 0, taken = 0): Usage {
  return slotDecayPerSecond === null
    ? semaphore.newSemaphore(held, taken)
    : rate.newRate(slotDecayPerSecond, held, taken, atMs);
}

/** Whether limits with this setting are rates. */
export function isRate({ slotDecayPerSecond }: { readonly slotDecayPerSecond?: number | null }): boolean {
  return (slotDecayPerSecond ?? null) !== null;
}

/** Slots that count as taken; of a rate it may have a fraction. */
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
  // As the clock tells it, that may be a moment before there is room: then it is the next that it can tell.
  return room(limit, lapsedSlots, atMs) < slots ? atMs * (1 + Number.EPSILON) : atMs;
}

/** Slots nobody needs now, for people to see: whole ones, never below 0, and finite for a limit that is switched off. */
export function freeSlots({ settings, usage }: Counted, lapsedSlots: number, nowMs: EngineMs): number {
  return Math.max(0, Math.floor(settings.slots - takenWithout(usage, lapsedSlots, nowMs) + ROUNDING));
}

/** Slots that are taken, without those of lapsed leases, for people to see: one that is taken in part counts. */
export function takenSlots({ usage }: Counted, lapsedSlots: number, nowMs: EngineMs): number {
  return Math.max(0, Math.ceil(takenWithout(usage, lapsedSlots, nowMs) - ROUNDING));
}

/** Of a sum of fractions, what is not worth telling. */
const ROUNDING = 1e-6;

/** Call after a grant. */
export function assertWithin({ name, settings, usage }: Counted, nowMs: EngineMs): void {
  const taken = takenAt(usage, nowMs);
  // So written, it also finds a number that is none.
  if (settings.active && !(taken <= settings.slots + ROUNDING)) {
    throw new BrokenInvariant(`a grant made ${taken} slots of limit '${name}' taken, which has ${settings.slots}`);
  }
}

// Changes, for `evolve` alone

/** So many more are taken. */
export function take(usage: Usage, slots: number, atMs: EngineMs): void {
  if (usage.kind === 'rate') rate.take(usage, slots, atMs);
  else semaphore.take(usage, slots);
}

/** So many fewer are taken, as far as leases do not hold them and they have not come back by themselves. */
export function giveBack(usage: Usage, slots: number, atMs: EngineMs): void {
  if (usage.kind === 'rate') rate.giveBack(usage, slots, atMs);
  else semaphore.giveBack(usage, slots);
}

/** So many count as taken, or as many as leases hold if these are more. */
export function setTaken(usage: Usage, slots: number, atMs: EngineMs): void {
  const taken = Math.max(slots, Math.min(takenAt(usage, atMs), usage.held));
  if (usage.kind === 'rate') rate.set(usage, taken, atMs);
  else usage.taken = taken;
}

/** Of what is taken, a lease holds so many. */
export function hold(usage: Usage, slots: number): void {
  usage.held += slots;
}

/** A lease holds so many no more. They stay taken until they are given back. */
export function letGo(usage: Usage, slots: number): void {
  usage.held -= slots;
  if (usage.held < 0) throw new BrokenInvariant(`leases let go of ${-usage.held} more slots than they hold`);
}

/** The usage from now on of a limit that decays so. The past is counted by the decay that it had. */
export function changed(usage: Usage, slotDecayPerSecond: number | null, atMs: EngineMs): Usage {
  // What was spent of a rate would never come back from a semaphore.
  const isKept = usage.kind === 'semaphore' || slotDecayPerSecond !== null;
  return newUsage(slotDecayPerSecond, atMs, usage.held, isKept ? takenAt(usage, atMs) : usage.held);
}

function takenWithout(usage: Usage, lapsedSlots: number, nowMs: EngineMs): number {
  if (usage.kind === 'rate') return rate.takenWithout(usage, lapsedSlots, usage.held - lapsedSlots, nowMs);
  return usage.taken - lapsedSlots;
}
