/** Grants of an earlier life of the server, of which nobody knows whether their answers have arrived. */
import type { Lease } from '@slotkeeper/engine';
import type { Replica } from '../replica.ts';
import { type Increment, isOfKind } from './increment.ts';
import { activeOf, limitsNamed } from './limit-lookup.ts';

export class EarlierGrants {
  readonly #replica: Replica;
  /** Leases up to this position are of an earlier life; null until it is looked at. */
  #upTo: number | null = null;
  /** Which of these a repeat has got. */
  readonly #claimed = new Set<string>();
  /** Leases of which nobody has heard, nor can claim. */
  #lost: readonly string[] = [];

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** To be called before anything is decided in this life. */
  begin(): void {
    if (this.#upTo !== null) return;
    const { state } = this.#replica.engine;
    this.#upTo = state.position;
    for (const id of this.#lost) {
      const lease = state.leases.get(id);
      if (lease) this.#replica.submit({ type: 'release', lease: id, token: lease.token });
    }
    this.#lost = [];
    // Known by their connections alone, which have ended: no repeat can be told from another client's increment.
    const bare = [...state.leases.values()].filter((lease) => isOfKind('bare', lease));
    for (const { id, token } of bare) this.#replica.submit({ type: 'release', lease: id, token, how: 'left' });
  }

  /** A lease that was granted to the same holder on the same limits: each is answered once. */
  claim(increment: Increment): Lease | undefined {
    if (this.#upTo === null) throw new Error('the earlier grants are looked at before this life has begun');
    const { state } = this.#replica.engine;
    const wanted = activeOf(limitsNamed(state, increment.names));
    for (const lease of wanted[0]?.leases.values() ?? []) {
      if (lease.token > this.#upTo) return undefined;
      const isIt =
        isOfKind(increment.kind, lease) &&
        isOfHolder(increment, lease) &&
        lease.amounts.size === wanted.length &&
        wanted.every(({ name }) => lease.amounts.get(name) === increment.slots) &&
        !this.#claimed.has(lease.id) &&
        this.#replica.engine.isValid(lease.id, lease.token);
      if (!isIt) continue;
      this.#claimed.add(lease.id);
      return lease;
    }
    return undefined;
  }

  /** What is granted now is of an earlier life from now on. `lost`: leases, if granted, of which nobody has heard, nor can claim. */
  end(lost: readonly string[]): void {
    this.#upTo = null;
    this.#claimed.clear();
    this.#lost = [...this.#lost, ...lost];
  }
}

function isOfHolder({ holder }: Increment, lease: Lease): boolean {
  return holder !== null && lease.holder.type === holder.type && lease.holder.id === holder.id;
}
