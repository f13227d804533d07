/**
 * Grants of an earlier run: from before the host's last start, be it of the process or after a failure. Nobody knows whether
 * their answers have arrived.
 */
import { type Holder, type Lease, slotsIn } from '@slotkeeper/engine';
import { activeOf, limitsNamed } from '../api/limit-lookup.ts';
import type { Host } from '../host.ts';
import { type Increment, isOfKind, type Kind } from './increment.ts';

export class EarlierGrants {
  readonly #host: Host;
  /** The leases that a repeat may get, by kind and holder; null until this run has begun. */
  #unclaimed: Map<string, Set<Lease>> | null = null;
  /** The ids of leases to be released. */
  #lost: readonly string[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /** Call before anything is decided in this run. */
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
      // A bare increment has no holder, and its connection has ended: another client's increment would look like its repeat.
      else if (isOfKind('bare', lease)) this.#host.submit({ type: 'release', leaseId: id, token, how: 'untracked' });
    }
  }

  /** Releases the leases of an earlier run whose answers did not arrive. Call when the host is ready again. */
  giveBackLost(): void {
    if (this.#lost.length === 0 || !this.#host.ready) return;
    const { leases } = this.#host.engine.state;
    const lost = this.#lost.map((id) => leases.get(id)).filter((lease) => lease !== undefined);
    this.#lost = [];
    for (const { id, token } of lost) this.#host.submit({ type: 'release', leaseId: id, token });
  }

  /** A lease of an earlier run with the same holder, limits and slots. Each lease is given out once. */
  claim({ kind, holder, names, slots }: Increment): Lease | undefined {
    if (!this.#unclaimed) throw new Error('earlier grants are claimed before this run has begun');
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

  /** The lease's client has received it. */
  arrived(id: string): void {
    const lease = this.#host.engine.state.leases.get(id);
    if (lease) this.#unclaimed?.get(holderOf(lease) ?? '')?.delete(lease);
  }

  /** Ends this run: all leases there are now count as an earlier run's. `lost`: ids of leases to be released, if granted. */
  end(lost: readonly string[]): void {
    this.#unclaimed = null;
    this.#lost = [...this.#lost, ...lost];
  }
}

/** The holder whose increments can repeat the lease's; null: there is none. */
function holderOf(lease: Lease): string | null {
  const kind = (['tag', 'leased'] as const).find((kind) => isOfKind(kind, lease));
  return kind && lease.holder.id ? textOf(kind, lease.holder) : null;
}

function textOf(kind: Kind, { type, id }: Pick<Holder, 'type' | 'id'>): string {
  return JSON.stringify([kind, type, id]);
}
