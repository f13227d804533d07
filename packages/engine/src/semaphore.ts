/** The usage of a semaphore: taken slots come back only when they are returned. */

export interface SemaphoreUsage {
  readonly kind: 'semaphore';
  /** Slots that leases hold. Invariant: their sum. */
  held: number;
  /** Slots that are taken. Invariant: at least `held`; the rest is untracked. */
  taken: number;
}

export function newSemaphore(held: number, taken: number): SemaphoreUsage {
  return { kind: 'semaphore', held, taken };
}

export function take(usage: SemaphoreUsage, slots: number): void {
  usage.taken += slots;
}

/** Returns slots, as far as no lease holds them. */
export function giveBack(usage: SemaphoreUsage, slots: number): void {
  usage.taken = Math.max(usage.taken - slots, usage.held);
}
