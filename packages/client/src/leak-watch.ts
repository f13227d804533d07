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
  #hasTraced = false;

  /** `leases`: all held leases. `dropped` is called with each of them whose handle was collected. */
  constructor(clock: Clock, leases: () => Iterable<HeldLease>, dropped: (held: HeldLease) => void) {
    this.#clock = clock;
    this.#leases = leases;
    this.#registry = new FinalizationRegistry((held) => {
      if (held.state === 'held') dropped(held);
    });
  }

  /**
   * Where `call` was called, as a stack says it; undefined most of the time. A stack costs as much as an acquire. So the first
   * call is noted, and then one a second at the most: a lease that is forgotten is rarely one of a crowd.
   */
  trace(call: (...args: never[]) => unknown): string | undefined {
    if (this.#hasTraced) return undefined;
    this.#hasTraced = true;
    this.#lookLater();
    const here = { stack: '' };
    Error.captureStackTrace(here, call);
    const [nearest, before] = here.stack.split('\n').slice(1, 3);
    return nearest && [nearest, before].map((frame) => frame?.trim()).join(', ');
  }

  /** Watches a new lease by `handle`, the object that its holder has. */
  watch(held: HeldLease, handle: WeakKey): void {
    held.handle = handle;
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#lookIsDue) return;
    this.#lookIsDue = true;
    this.#clock.setTimer(LOOK_MS, () => this.#look());
  }

  #look(): void {
    this.#lookIsDue = false;
    this.#hasTraced = false;
    for (const held of this.#leases()) {
      if (held.handle) this.#registry.register(held.handle, held);
      held.handle = undefined;
    }
  }
}
