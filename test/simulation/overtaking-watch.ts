/**
 * The bound on overtaking, for the first in the whole line: once a limit that it wants has made `overtakes` grants since
 * it was first seen there, none that joins later takes of that limit what the first needs.
 */
import type { PlainState } from './auditor-model.ts';
import type { View } from './plain-scan.ts';

interface First {
  readonly ticket: string;
  readonly placeMs: number;
  readonly wanted: ReadonlyMap<string, number>;
  /** By limit, its grants as this waiter was first seen to be the first. */
  readonly grants: ReadonlyMap<string, number>;
  /** By limit, since when nobody who joins may pass. */
  readonly closedSinceMs: Map<string, number>;
}

export interface Kept {
  readonly ticket: string;
  readonly name: string;
  readonly slots: number;
}

export class OvertakingWatch {
  #first: First | undefined;

  /** The rules have changed: the watch begins again. */
  clear(): void {
    this.#first = undefined;
  }

  ended(lease: string): void {
    if (this.#first?.ticket === lease) this.#first = undefined;
  }

  /** An acquire that goes before the first takes its part. */
  called(nowMs: number, priority: number): void {
    if (this.#first && nowMs - priority * 1_000 <= this.#first.placeMs + 1_000) this.#first = undefined;
  }

  /** Returns for whom room is to be left, and how much, on the limits of this grant where that is so. */
  granted(lease: string, amounts: readonly (readonly [string, number])[], calledAtMs: number): readonly Kept[] {
    const first = this.#first;
    if (!first) return [];
    if (first.ticket === lease) {
      this.#first = undefined;
      return [];
    }
    return amounts
      .filter(([name]) => calledAtMs > (first.closedSinceMs.get(name) ?? Number.POSITIVE_INFINITY))
      .map(([name]) => ({ ticket: first.ticket, name, slots: first.wanted.get(name) ?? 0 }));
  }

  look(view: View, state: PlainState, nowMs: number, isUndisturbed: (ticket: string) => boolean): void {
    const limits = new Map(view.limits.map((limit) => [limit.name, limit]));
    const [waiter] = view.waiters;
    if (
      !waiter?.connected ||
      !isUndisturbed(waiter.ticket) ||
      waiter.limits.some(({ name }) => limits.get(name)?.mode !== 'open')
    ) {
      this.#first = undefined;
      return;
    }
    const grantsOf = (name: string): number => state.limits.get(name)?.grants ?? 0;
    const wanted = new Map(waiter.limits.map(({ name, slots }) => [name, slots]));
    if (this.#first?.ticket !== waiter.ticket) {
      this.#first = {
        ticket: waiter.ticket,
        placeMs: nowMs - waiter.priority * 1_000,
        wanted,
        grants: new Map([...wanted.keys()].map((name) => [name, grantsOf(name)])),
        closedSinceMs: new Map(),
      };
      return;
    }
    for (const name of wanted.keys()) {
      const made = grantsOf(name) - (this.#first.grants.get(name) ?? 0);
      const overtakes = limits.get(name)?.overtakes ?? Number.POSITIVE_INFINITY;
      if (made >= overtakes && !this.#first.closedSinceMs.has(name)) this.#first.closedSinceMs.set(name, nowMs);
    }
  }
}
