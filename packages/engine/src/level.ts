/**
 * How much of a limit is taken. What is taken of a semaphore comes back as it is given back, what is taken of a rate by
 * itself: `slotDecayPerSecond` slots each second, continuously, whoever calls whenever. A semaphore is a limit whose level
 * does not fall.
 */
import type { EngineMs } from './facts.ts';
import type { Limit } from './state.ts';

/** Slots of a limit that count as taken at that time; of a rate it may have a fraction. */
export function levelAt({ level, levelAtMs, settings: { slotDecayPerSecond } }: Limit, nowMs: EngineMs): number {
  if (slotDecayPerSecond === null) return level;
  return Math.max(0, level - (slotDecayPerSecond * Math.max(0, nowMs - levelAtMs)) / 1_000);
}

/**
 * Slots that may be granted at that time, `lapsedSlots` of them held by leases that end if they are needed. Below 0 when
 * the limit was lowered below what is taken.
 */
export function room(limit: Limit, lapsedSlots: number, nowMs: EngineMs): number {
  const { active, slots } = limit.settings;
  return active ? slots - levelWithout(limit, lapsedSlots, nowMs) : Number.POSITIVE_INFINITY;
}

/** When, at the earliest, the room will be `slots` if nothing is given back; null: never. */
export function roomAtMs(limit: Limit, slots: number, lapsedSlots: number, nowMs: EngineMs): EngineMs | null {
  const { slotDecayPerSecond } = limit.settings;
  if (slotDecayPerSecond === null || slots > limit.settings.slots) return null;
  const atMs = nowMs + ((slots - room(limit, lapsedSlots, nowMs)) / slotDecayPerSecond) * 1_000;
  if (!Number.isFinite(atMs)) return null;
  // As the clock tells it, that may be a moment before there is room: then it is the next that it can tell.
  return room(limit, lapsedSlots, atMs) < slots ? atMs * (1 + Number.EPSILON) : atMs;
}

/** Slots nobody needs now, for people to see: whole ones, never below 0, and finite for a limit that is switched off. */
export function freeSlots(limit: Limit, lapsedSlots: number, nowMs: EngineMs): number {
  return Math.max(0, Math.floor(limit.settings.slots - levelWithout(limit, lapsedSlots, nowMs) + ROUNDING));
}

/** Slots that are taken, without those of lapsed leases, for people to see: one that is taken in part counts. */
export function takenSlots(limit: Limit, lapsedSlots: number, nowMs: EngineMs): number {
  return Math.max(0, Math.ceil(levelWithout(limit, lapsedSlots, nowMs) - ROUNDING));
}

/** Whole slots that are taken without a lease: by Prefect's bare increments, or as `active_slots` were set. */
export function slotsWithoutLease(limit: Limit, nowMs: EngineMs): number {
  return takenSlots(limit, 0, nowMs) - limit.held;
}

/** Of a sum of fractions, what is not worth telling. */
const ROUNDING = 1e-6;

/** Throws if more is taken than the limit has, but for what fractions come to. */
export function assertWithin(limit: Limit, nowMs: EngineMs): void {
  const { active, slots } = limit.settings;
  const level = levelAt(limit, nowMs);
  if (active && level > slots + ROUNDING) {
    throw new Error(`a grant made ${level} slots of limit '${limit.name}' taken, which has ${slots}`);
  }
}

// Changes, for `evolve` alone

/** So many more are taken. */
export function raise(limit: Limit, slots: number, atMs: EngineMs): void {
  setLevel(limit, levelAt(limit, atMs) + slots, atMs);
}

/** So many fewer are taken, but for what leases hold: of a rate, part of it may have decayed before. */
export function lower(limit: Limit, slots: number, atMs: EngineMs): void {
  setLevel(limit, lowered(levelAt(limit, atMs), slots, limit.held), atMs);
}

export function setLevel(limit: Limit, level: number, atMs: EngineMs): void {
  limit.level = level;
  limit.levelAtMs = atMs;
}

function levelWithout(limit: Limit, lapsedSlots: number, nowMs: EngineMs): number {
  return lowered(levelAt(limit, nowMs), lapsedSlots, limit.held - lapsedSlots);
}

function lowered(level: number, slots: number, held: number): number {
  return Math.max(level - slots, Math.min(level, held));
}
