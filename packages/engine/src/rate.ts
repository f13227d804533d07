/** The usage of a rate: what is taken comes back by itself, so many slots each second, continuously. */
import type { EngineMs } from './facts.ts';

export interface RateUsage {
  readonly kind: 'rate';
  readonly slotDecayPerSecond: number;
  /** By leases. Invariant: the sum of what they hold here. What they hold may have decayed in part, or in full. */
  held: number;
  /** In all, as of `atMs`; it may have a fraction. Invariant: not below 0. */
  taken: number;
  atMs: EngineMs;
}

export function newRate(slotDecayPerSecond: number, held: number, taken: number, atMs: EngineMs): RateUsage {
  return { kind: 'rate', slotDecayPerSecond, held, taken, atMs };
}

export function takenAt({ slotDecayPerSecond, taken, atMs }: RateUsage, nowMs: EngineMs): number {
  return Math.max(0, taken - (slotDecayPerSecond * Math.max(0, nowMs - atMs)) / 1_000);
}

/** What is taken when leases that hold `slots` of it end: part of these may have decayed before. */
export function takenWithout(usage: RateUsage, slots: number, held: number, nowMs: EngineMs): number {
  const taken = takenAt(usage, nowMs);
  return Math.max(taken - slots, Math.min(taken, held));
}

export function take(usage: RateUsage, slots: number, atMs: EngineMs): void {
  set(usage, takenAt(usage, atMs) + slots, atMs);
}

/** As far as leases do not hold them and they have not decayed. */
export function giveBack(usage: RateUsage, slots: number, atMs: EngineMs): void {
  set(usage, takenWithout(usage, slots, usage.held, atMs), atMs);
}

export function set(usage: RateUsage, taken: number, atMs: EngineMs): void {
  usage.taken = taken;
  usage.atMs = atMs;
}

/** When `missing` more slots will have come back; null: at no time that a clock can tell. */
export function grownAtMs({ slotDecayPerSecond }: RateUsage, missing: number, nowMs: EngineMs): EngineMs | null {
  const atMs = nowMs + (missing / slotDecayPerSecond) * 1_000;
  return Number.isFinite(atMs) ? atMs : null;
}

/** Of slots that were taken at `sinceMs`, those that cannot have come back and been granted again. */
export function undecayed({ slotDecayPerSecond }: RateUsage, slots: number, sinceMs: EngineMs, atMs: EngineMs): number {
  return Math.max(0, slots - (slotDecayPerSecond * (atMs - sinceMs)) / 1_000);
}
