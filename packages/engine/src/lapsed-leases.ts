/** The lapsed leases on one limit: their slots count as free, and a grant that needs them ends the leases. */
import { BrokenInvariant } from './invariant.ts';
import type { Lease } from './lease-table.ts';

export class LapsedLeases {
  /** What each lease holds here, in the order in which grants end them. */
  readonly #slotsOf = new Map<Lease, number>();
  /** Invariant: the sum of what the lapsed leases hold on this limit. So it is never below 0, and 0 when there are none. */
  #slots = 0;

  get slots(): number {
    return this.#slots;
  }

  /** The lease that a grant ends first. */
  get first(): Lease | undefined {
    return this.#slotsOf.keys().next().value;
  }

  /** Adds a lease that ends after those that are there. */
  add(lease: Lease, slots: number): void {
    if (this.#slotsOf.has(lease)) throw new BrokenInvariant(`lease ${lease.id} lapses twice`);
    this.#slotsOf.set(lease, slots);
    this.#slots += slots;
  }

  delete(lease: Lease): void {
    const slots = this.#slotsOf.get(lease);
    if (slots === undefined) throw new BrokenInvariant(`lease ${lease.id} has not lapsed here`);
    this.#slotsOf.delete(lease);
    this.#slots -= slots;
    const isSum = this.#slotsOf.size > 0 ? this.#slots > 0 : this.#slots === 0;
    if (!isSum) throw new BrokenInvariant(`${this.#slotsOf.size} lapsed leases hold ${this.#slots} slots`);
  }
}
