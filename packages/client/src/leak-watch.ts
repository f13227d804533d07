/** Notices leases that were dropped and never released: nobody can give their slots back any more. */
import type { Clock } from '@slotkeeper/protocol';
import type { HeldLease } from './lease.ts';

/**
 * A `FinalizationRegistry` costs as much as all else that an acquire costs here, and most leases are over before they could
 * be forgotten. So a lease is kept from being collected at first, and registered if it is still held at the next look.
 */
const LOOK_MS = 1_000;

export class LeakWatch {
  readonly #clock: Clock;
  readonly #leases: () => Iterable<HeldLease>;
  readonly #registry: FinalizationRegistry<HeldLease>;
  #lookIsDue = false;

  /** `leases`: all that are held. `dropped` is called with each of them that was collected. */
  constructor(clock: Clock, leases: () => Iterable<HeldLease>, dropped: (held: HeldLease) => void) {
    this.#clock = clock;
    this.#leases = leases;
    this.#registry = new FinalizationRegistry((held) => {
      if (held.state === 'held') dropped(held);
    });
  }

  /** Watches what the holder has in hand of a lease that is held from now on. */
  watch(held: HeldLease, handle: WeakKey): void {
    held.handle = handle;
    if (this.#lookIsDue) return;
    this.#lookIsDue = true;
    this.#clock.setTimer(LOOK_MS, () => this.#look());
  }

  #look(): void {
    this.#lookIsDue = false;
    for (const held of this.#leases()) {
      if (held.handle) this.#registry.register(held.handle, held);
      held.handle = undefined;
    }
  }
}
