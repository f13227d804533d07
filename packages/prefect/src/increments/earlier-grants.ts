/** Grants of an earlier life of the server. Whether their answers have arrived is not known. */
import { type Holder, type Lease, slotsIn } from '@slotkeeper/engine';
import { activeOf, limitsNamed } from '../api/limit-lookup.ts';
import type { Host } from '../host.ts';
import { type Increment, isOfKind, type Kind } from './increment.ts';

export class EarlierGrants {
  readonly #host: Host;
  /** Those that a repeat may get, by kind and holder; null until this life has begun. */
  #unclaimed: Map<string, Set<Lease>> | null = null;
  /** Leases that are to go back. */
  #lost: readonly string[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /** Call before anything is decided in this life. */
  begin(): void {
    if (this.#unclaimed) return;
    const unclaimed = new Map<string, Set<Lease>>();
    this.#unclaimed = unclaimed;
    const { leases } = this.#host.engine.state;
    this.giveBackLost();
    for (const lease of [...leases.values()]) {
      const { id, token, renewed } = lease;
      // A client that has renewed it has received it.
      if (renewed) continue;
      const who = holderOf(lease);
      if (who) unclaimed.set(who, (unclaimed.get(who) ?? new Set()).add(lease));
      // Known by their connections alone, which have ended: no repeat can be told from another client's increment.
      else if (isOfKind('bare', lease)) this.#host.submit({ type: 'release', leaseId: id, token, how: 'untracked' });
    }
  }

  /** Gives back the grants of an earlier life whose answers did not arrive. Call when the host runs again. */
  giveBackLost(): void {
    if (this.#lost.length === 0 || !this.#host.ready) return;
    const { leases } = this.#host.engine.state;
    const lost = this.#lost.map((id) => leases.get(id)).filter((lease) => lease !== undefined);
    this.#lost = [];
    for (const { id, token } of lost) this.#host.submit({ type: 'release', leaseId: id, token });
  }

  /** A lease that was granted to the same holder on the same limits: each is answered once. */
  claim({ kind, holder, names, slots }: Increment): Lease | undefined {
    if (!this.#unclaimed) throw new Error('the earlier grants are looked at before this life has begun');
    const ofHolder = holder && this.#unclaimed.get(textOf(kind, holder));
    if (!ofHolder) return undefined;
    const { engine } = this.#host;
    const wanted = activeOf(limitsNamed(engine.state, names));
    for (const lease of ofHolder) {
      const { id, token, amounts } = lease;
      const isSame = amounts.length === wanted.length && wanted.every(({ name }) => slotsIn(amounts, name) === slots);
      if (!isSame || !engine.isValid(id, token)) continue;
      ofHolder.delete(lease);
      return lease;
    }
    return undefined;
  }

  /** Its client has received it. */
  arrived(id: string): void {
    const lease = this.#host.engine.state.leases.get(id);
    if (lease) this.#unclaimed?.get(holderOf(lease) ?? '')?.delete(lease);
  }

  /** What is granted now is of an earlier life from now on. `lost`: leases, if granted, that are to go back. */
  end(lost: readonly string[]): void {
    this.#unclaimed = null;
    this.#lost = [...this.#lost, ...lost];
  }
}

/** Whose increments can repeat it; null: nobody's. */
function holderOf(lease: Lease): string | null {
  const kind = (['tag', 'leased'] as const).find((kind) => isOfKind(kind, lease));
  return kind && lease.holder.id ? textOf(kind, lease.holder) : null;
}

function textOf(kind: Kind, { type, id }: Pick<Holder, 'type' | 'id'>): string {
  return JSON.stringify([kind, type, id]);
}
