/**
 * From facts to events. Each grant has one acquired and one released event for each of its limits, however it ends:
 * - what a grant spends of a rate comes back by itself, so it has no released event, unless the grant was undone;
 * - untracked slots (of a bare increment, whose lease is over) are released as slots of their limit are returned, the oldest
 *   first, or as their number is set by hand to less. Of a rate they decay.
 */
import type { Amounts, Fact } from '@slotkeeper/engine';
import type { PrefectEvent } from '../event.ts';
import type { ChangingMap } from './changing-map.ts';
import type { KnownLimit, OpenGrant, Taken } from './projection-state.ts';
import { acquired, type End, limitEvent, released } from './slot-events.ts';

/** Thrown for a fact that does not fit the projection's state. */
export class MisfitError extends Error {
  override readonly name = 'MisfitError';
}

type Of<T extends Fact['type']> = Extract<Fact, { type: T }>;

export class Projection {
  /** The limits by name. */
  readonly #limits: ChangingMap<KnownLimit>;
  /** The open grants by lease id. */
  readonly #grants: ChangingMap<OpenGrant>;
  readonly #limitsById: Map<string, KnownLimit>;
  #told: PrefectEvent[] = [];

  constructor(limits: ChangingMap<KnownLimit>, grants: ChangingMap<OpenGrant>) {
    this.#limits = limits;
    this.#grants = grants;
    this.#limitsById = new Map([...limits.values()].map((limit) => [limit.id, limit]));
  }

  /** Applies the fact at `position`, and returns its events in order. Call it with each fact once, in order. */
  apply(position: number, fact: Fact): readonly PrefectEvent[] {
    this.#told = [];
    switch (fact.type) {
      case 'limit.set':
        this.#set(position, fact);
        break;
      case 'limit.deleted':
        this.#delete(position, fact);
        break;
      case 'limit.renamed':
        this.#rename(position, fact);
        break;
      case 'untracked.set':
        this.#occupied(fact);
        break;
      case 'untracked.returned':
        this.#returned(fact.amounts, fact.at);
        break;
      case 'lease.granted':
        this.#granted(position, fact);
        break;
      case 'lease.renewed':
        break;
      case 'lease.released':
        this.#released(fact);
        break;
      case 'lease.expired':
        this.#ended(fact.leaseId, fact.at, { cause: 'expired' });
        break;
      case 'lease.revoked':
        this.#ended(fact.leaseId, fact.at, { cause: 'revoked', reason: fact.reason });
        break;
    }
    return this.#told;
  }

  // Limits

  #set(position: number, { name, id, settings, at }: Of<'limit.set'>): void {
    const { slots, slotDecayPerSecond, active } = settings;
    const known = this.#limits.get(name);
    const limit = known ?? { id, name, slots, slotDecayPerSecond, active, held: 0, untracked: [] };
    Object.assign(limit, { slots, slotDecayPerSecond, active });
    this.#limits.set(name, limit);
    this.#limitsById.set(limit.id, limit);
    this.#told.push(limitEvent(known ? 'updated' : 'created', limit, at, position));
    if (slotDecayPerSecond !== null)
      this.#returnUntracked(limit, Number.POSITIVE_INFINITY, at, {
        cause: 'returned',
        reason: 'The limit is a rate now.',
      });
  }

  #delete(position: number, { name, at }: Of<'limit.deleted'>): void {
    const limit = this.#known(name);
    this.#returnUntracked(limit, Number.POSITIVE_INFINITY, at, { cause: 'revoked', reason: 'The limit was deleted.' });
    this.#limits.delete(name);
    this.#limitsById.delete(limit.id);
    this.#told.push(limitEvent('deleted', limit, at, position));
  }

  #rename(position: number, { name, to, at }: Of<'limit.renamed'>): void {
    const limit = this.#known(name);
    this.#limits.delete(name);
    limit.name = to;
    this.#limits.set(to, limit);
    this.#told.push(limitEvent('updated', limit, at, position));
  }

  #occupied({ name, slots, at }: Of<'untracked.set'>): void {
    const limit = this.#known(name);
    const taken = limit.untracked.reduce((sum, { remaining }) => sum + remaining, 0);
    const excess = taken - Math.max(0, slots - limit.held);
    this.#returnUntracked(limit, excess, at, { cause: 'revoked', reason: `The taken slots were set to ${slots}.` });
  }

  // Grants

  #granted(position: number, fact: Of<'lease.granted'>): void {
    const { leaseId: lease, at, holder, amounts, refunds, origin } = fact;
    const all = amounts.map(([name, slots]) => {
      const { id, slots: size } = this.#known(name);
      return { limit: id, name, size, slots };
    });
    const isSpent = ({ name }: Taken): boolean => !refunds && this.#known(name).slotDecayPerSecond !== null;
    const grant: OpenGrant = {
      lease,
      token: position,
      atMs: at,
      isV1: origin === 'prefect-tag',
      holder,
      limits: all.map(({ limit }) => limit),
      taken: all.filter((taken) => !isSpent(taken)),
      spent: all.filter(isSpent),
    };
    for (const taken of grant.taken) this.#hold(taken.limit, taken.slots);
    for (const taken of all) this.#told.push(acquired(grant, taken));
    this.#grants.set(lease, grant);
  }

  #released({ leaseId: lease, names, how, at }: Of<'lease.released'>): void {
    if (how === 'untracked') this.#untrack(lease, names);
    else this.#ended(lease, at, { cause: how }, names);
  }

  #ended(lease: string, atMs: number, end: End, names: readonly string[] | null = null): void {
    const [grant, taken] = this.#letGo(lease, names);
    const all = end.cause === 'undone' ? [...taken, ...grant.spent] : taken;
    for (const one of all) this.#told.push(released(grant, one, atMs, end));
  }

  #untrack(lease: string, names: readonly string[] | null): void {
    const [grant, all] = this.#letGo(lease, names);
    for (const taken of all) {
      const limit = this.#limitsById.get(taken.limit);
      if (!limit || limit.slotDecayPerSecond !== null) continue;
      limit.untracked.push({ grant: { ...grant, taken: [], spent: [] }, taken, remaining: taken.slots });
      this.#limits.set(limit.name, limit);
    }
  }

  /** Takes the slots of the limits `names`, or all, off the grant. A grant that holds nothing is over. */
  #letGo(lease: string, names: readonly string[] | null): [OpenGrant, readonly Taken[]] {
    const grant = this.#grants.get(lease);
    if (!grant) throw new MisfitError(`lease ${lease} ends, of which there is no grant`);
    const ids = names?.map((name) => this.#known(name).id);
    const isGone = ({ limit }: Taken): boolean => !ids || ids.includes(limit);
    const gone = grant.taken.filter(isGone);
    grant.taken = grant.taken.filter((taken) => !isGone(taken));
    for (const { limit, slots } of gone) this.#hold(limit, -slots);
    if (grant.taken.length > 0) this.#grants.set(lease, grant);
    else this.#grants.delete(lease);
    return [grant, gone];
  }

  #hold(id: string, slots: number): void {
    const limit = this.#limitsById.get(id);
    if (!limit) throw new MisfitError(`slots are held of limit ${id}, which does not exist`);
    limit.held += slots;
    this.#limits.set(limit.name, limit);
  }

  // Untracked slots

  #returned(amounts: Amounts, atMs: number): void {
    for (const [name, slots] of amounts) this.#returnUntracked(this.#known(name), slots, atMs, { cause: 'returned' });
  }

  /** Returns `slots` untracked slots, or as many as there are. */
  #returnUntracked(limit: KnownLimit, slots: number, atMs: number, end: End): void {
    let due = slots;
    let over = 0;
    for (const entry of limit.untracked) {
      if (due <= 0) break;
      const back = Math.min(due, entry.remaining);
      due -= back;
      entry.remaining -= back;
      if (entry.remaining > 0) break;
      over += 1;
      this.#told.push(released(entry.grant, entry.taken, atMs, end));
    }
    limit.untracked.splice(0, over);
    this.#limits.set(limit.name, limit);
  }

  #known(name: string): KnownLimit {
    const limit = this.#limits.get(name);
    if (!limit) throw new MisfitError(`a fact names limit '${name}', which does not exist`);
    return limit;
  }
}
