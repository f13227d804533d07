/** Detects leases that a program dropped without a release, so that nobody can give their slots back. */
import type { Clock } from '@slotkeeper/protocol';
import type { HeldLease } from './lease.ts';

/**
 * A `FinalizationRegistry` costs as much as the rest of an acquire here, and most leases are over soon. So the watch first keeps
 * a lease from being collected, and registers it only if it is still held at the next look.
 */
const LOOK_MS = 1_000;

export class LeakWatch {
  readonly #clock: Clock;
  readonly #leases: () => Iterable<HeldLease>;
  readonly #registry: FinalizationRegistry<HeldLease>;
  #lookIsDue = false;

  /** `leases`: all held leases. `dropped` is called with each of them whose handle was collected. */
  constructor(clock: Clock, leases: () => Iterable<HeldLease>, dropped: (held: HeldLease) => void) {
    this.#clock = clock;
    this.#leases = leases;
    this.#registry = new FinalizationRegistry((held) => {
      if (held.state === 'held') dropped(held);
    });
  }

  /** Watches a new lease by `handle`, the object that its holder has. */
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
