/** Calls that wait until nobody holds a limit any more. */
import { resumed, type State } from '@slotkeeper/engine';
import type { Batch } from './batch.ts';
import { refusedIfDurable, type Settled } from './outcome.ts';

export class Drains {
  /** The callbacks by the limit's name. */
  readonly #waiting = new Map<string, Settled[]>();

  add(name: string, settled: Settled): void {
    const waiting = this.#waiting.get(name);
    if (waiting) waiting.push(settled);
    else this.#waiting.set(name, [settled]);
  }

  /**
   * Call as a batch is closed. Calls that are over by the state at its end join the batch. A limit that is draining and that
   * nobody holds is drained, and so is one that was deleted. A limit that is not draining was resumed.
   */
  settle(batch: Batch, state: State): void {
    for (const [name, waiting] of this.#waiting) {
      const limit = state.limits.get(name);
      const isDraining = !limit || limit.settings.mode === 'draining';
      if (isDraining && limit && limit.leases.size > 0) continue;
      this.#waiting.delete(name);
      for (const settled of waiting)
        batch.settle(isDraining ? settled : (outcome) => settled(refusedIfDurable(outcome, resumed(name))));
    }
  }

  /** Forgets all calls. Returns the callbacks that must learn that they are lost. */
  abandon(): Settled[] {
    const lost = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return lost;
  }
}
