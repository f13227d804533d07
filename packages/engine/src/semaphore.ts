/** The usage of a semaphore: its slots come back as they are given back. */

export interface SemaphoreUsage {
  readonly kind: 'semaphore';
  /** By leases. Invariant: the sum of what they hold here. */
  held: number;
  /** In all. Invariant: `held` or more; the rest is untracked. */
  taken: number;
}

export function newSemaphore(held: number, taken: number): SemaphoreUsage {
  return { kind: 'semaphore', held, taken };
}

export function take(usage: SemaphoreUsage, slots: number): void {
  usage.taken += slots;
}

/** As far as leases do not hold them. */
export function giveBack(usage: SemaphoreUsage, slots: number): void {
  usage.taken = Math.max(usage.taken - slots, usage.held);
}
