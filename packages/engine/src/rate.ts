/** The usage of a rate: taken slots come back by themselves, so many each second, continuously. */
import type { EngineMs } from './facts.ts';

export interface RateUsage {
  readonly kind: 'rate';
  readonly slotDecayPerSecond: number;
  /** Slots that leases hold. Invariant: their sum. Some or all of these slots may have decayed. */
  held: number;
  /** Slots that are taken as of `atMs`, a fraction included. Invariant: not below 0. */
  taken: number;
  atMs: EngineMs;
}

export function newRate(slotDecayPerSecond: number, held: number, taken: number, atMs: EngineMs): RateUsage {
  return { kind: 'rate', slotDecayPerSecond, held, taken, atMs };
}

export function takenAt({ slotDecayPerSecond, taken, atMs }: RateUsage, nowMs: EngineMs): number {
  return Math.max(0, taken - (slotDecayPerSecond * Math.max(0, nowMs - atMs)) / 1_000);
}

/** What stays taken when leases that hold `slots` end, which may have decayed in part. `held`: what other leases hold. */
export function takenWithout(usage: RateUsage, slots: number, held: number, nowMs: EngineMs): number {
  const taken = takenAt(usage, nowMs);
  return Math.max(taken - slots, Math.min(taken, held));
}

export function take(usage: RateUsage, slots: number, atMs: EngineMs): void {
  set(usage, takenAt(usage, atMs) + slots, atMs);
}

/** Returns slots, as far as no lease holds them and they have not decayed. */
export function giveBack(usage: RateUsage, slots: number, atMs: EngineMs): void {
  set(usage, takenWithout(usage, slots, usage.held, atMs), atMs);
}

export function set(usage: RateUsage, taken: number, atMs: EngineMs): void {
  usage.taken = taken;
  usage.atMs = atMs;
}

/** When `missing` more slots will have come back; null: beyond the range of numbers. */
export function grownAtMs({ slotDecayPerSecond }: RateUsage, missing: number, nowMs: EngineMs): EngineMs | null {
  const atMs = nowMs + (missing / slotDecayPerSecond) * 1_000;
  return Number.isFinite(atMs) ? atMs : null;
}

/** How many of `slots` that were taken at `sinceMs` cannot have come back since. */
export function undecayed({ slotDecayPerSecond }: RateUsage, slots: number, sinceMs: EngineMs, atMs: EngineMs): number {
  return Math.max(0, slots - (slotDecayPerSecond * (atMs - sinceMs)) / 1_000);
}
