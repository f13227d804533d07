/** Limits as they are set by hand: created, changed, deleted, reset. */
import type { DirectGrant, LimitPatch } from './commands.ts';
import type { Amounts, LimitSettings } from './facts.ts';
import type { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { Line } from './line.ts';
import {
  draining,
  hasHolders,
  nameInUse,
  notFound,
  notRates,
  type Refusal,
  slotsNeeded,
  tooLarge,
} from './refusals.ts';
import type { Sessions } from './sessions.ts';
import type { Limit } from './state.ts';
import type { Ticket, Tickets } from './tickets.ts';

const NEW_LIMIT: Omit<LimitSettings, 'slots'> = {
  slotDecayPerSecond: null,
  active: true,
  mode: 'open',
  overtakes: 16,
  maxWaiters: null,
  description: null,
};

/** What the limits need of the rest of the engine. */
export interface Hands {
  refuse(ticket: Ticket, refusal: Refusal): void;
  /** Grants or queues it again without the limit that is gone, at its place. */
  goOn(ticket: Ticket, amounts: Amounts, missing: readonly string[]): void;
  forgetIfIdle(session: string): void;
}

/** After each of its methods the line is to be settled. */
export class Limits {
  readonly #ledger: Ledger;
  readonly #line: Line<Ticket>;
  readonly #sessions: Sessions<Ticket>;
  readonly #tickets: Tickets;
  readonly #leases: Leases;
  readonly #hands: Hands;

  constructor(
    ledger: Ledger,
    line: Line<Ticket>,
    sessions: Sessions<Ticket>,
    tickets: Tickets,
    leases: Leases,
    hands: Hands,
  ) {
    this.#ledger = ledger;
    this.#line = line;
    this.#sessions = sessions;
    this.#tickets = tickets;
    this.#leases = leases;
    this.#hands = hands;
    for (const limit of ledger.state.limits.values()) line.add(limit);
  }

  /** Creates it if it is not there; `id` is then its own. */
  ensure(name: string, id: string, patch: LimitPatch): Refusal | undefined {
    if (this.#ledger.state.limits.has(name)) return undefined;
    const { slots } = patch;
    if (slots === undefined) return slotsNeeded(name);
    this.#ledger.record({
      type: 'limit.set',
      at: this.#ledger.nowMs,
      name,
      id,
      settings: { ...NEW_LIMIT, ...patch, slots },
    });
    this.#line.add(this.#ledger.limit(name));
    return undefined;
  }

  set(name: string, id: string, patch: LimitPatch): Refusal | undefined {
    const limit = this.#ledger.state.limits.get(name);
    if (!limit) return this.ensure(name, id, patch);
    const settings: LimitSettings = { ...limit.settings, ...patch };
    if (JSON.stringify(settings) === JSON.stringify(limit.settings)) return undefined;
    this.#ledger.record({ type: 'limit.set', at: this.#ledger.nowMs, name, id: limit.id, settings });
    this.#refuseWaiters(name, settings);
    this.#line.changed(name);
    return undefined;
  }

  /** Refused while it has holders, unless forced. Who allows it to be missing waits on without it; other waiters are refused. */
  delete(name: string, force: boolean): Refusal | undefined {
    const limit = this.#ledger.state.limits.get(name);
    if (!limit) return notFound([name]);
    if (limit.leases.size > 0 && !force) return hasHolders(name, limit.leases.size);
    this.#revokeAll(limit, `its limit '${name}' was deleted`);
    this.#withoutWaiters(name, () => {
      this.#ledger.record({ type: 'limit.deleted', at: this.#ledger.nowMs, name });
      this.#line.delete(name);
    });
    return undefined;
  }

  /** Its leases keep their slots; for those who wait its old name is one that no limit has. */
  rename(name: string, to: string): Refusal | undefined {
    const limit = this.#ledger.state.limits.get(name);
    if (!limit) return notFound([name]);
    if (name === to) return undefined;
    if (this.#ledger.state.limits.has(to)) return nameInUse(to);
    this.#withoutWaiters(name, () => {
      this.#ledger.record({ type: 'limit.renamed', at: this.#ledger.nowMs, name, to });
      this.#line.rename(name, to);
    });
    return undefined;
  }

  /** So many slots count as taken, or as many as leases hold if these are more. */
  occupy(name: string, slots: number): Refusal | undefined {
    if (!this.#ledger.state.limits.has(name)) return notFound([name]);
    this.#ledger.record({ type: 'limit.occupied', at: this.#ledger.nowMs, name, slots });
    this.#line.roomGained(name);
    return undefined;
  }

  /** Gives back slots that were taken without a lease. Names that no limit has are passed over. */
  takeBack(amounts: Amounts): void {
    const existing = amounts.filter(([name]) => this.#ledger.state.limits.has(name));
    if (existing.length === 0) return;
    this.#ledger.record({ type: 'slots.returned', at: this.#ledger.nowMs, amounts: existing });
    for (const [name] of existing) this.#line.roomGained(name);
  }

  /** Revokes every lease on it, frees what else is taken, then takes one slot for each of `grants`: all, or nothing changes. */
  reset(name: string, grants: readonly DirectGrant[]): Refusal | undefined {
    const limit = this.#ledger.state.limits.get(name);
    if (!limit) return notFound([name]);
    const { active, slots } = limit.settings;
    if (active && grants.length > slots) return tooLarge(name, grants.length, slots);
    this.#revokeAll(limit, `limit '${name}' was reset`);
    if (limit.level > 0) this.occupy(name, 0);
    for (const { leaseId, sessionId, ttlMs, holder } of grants) {
      const session = this.#sessions.add(sessionId, 'renewal', ttlMs, 'prefect-tag');
      this.#leases.take(session, leaseId, [[name, 1]], holder, true);
    }
    return undefined;
  }

  /** Those who can no longer be granted, whether their clients are there or not. */
  #refuseWaiters(name: string, { active, slots, slotDecayPerSecond, mode }: LimitSettings): void {
    if (this.#line.gate(name).waiters === 0) return;
    for (const ticket of this.#tickets.waitingFor(name)) {
      const wanted = ticket.amounts.find(([other]) => other === name)?.[1] ?? 0;
      if (mode === 'draining') this.#hands.refuse(ticket, draining(name));
      else if (active && wanted > slots) this.#hands.refuse(ticket, tooLarge(name, wanted, slots));
      else if (ticket.request.ratesOnly && slotDecayPerSecond === null) this.#hands.refuse(ticket, notRates([name]));
    }
  }

  /** `change` makes that no limit has the name: who allows that waits on without it, others are refused. */
  #withoutWaiters(name: string, change: () => void): void {
    const goingOn: Ticket[] = [];
    // Before those who go on are taken out: a session of which nothing waits any more is forgotten.
    for (const ticket of this.#tickets.waitingFor(name)) {
      if (ticket.request.onMissing === 'allow') goingOn.push(ticket);
      else this.#hands.refuse(ticket, notFound([name]));
    }
    for (const ticket of goingOn) this.#tickets.remove(ticket);
    change();
    for (const ticket of goingOn) this.#goOnWithout(name, ticket);
  }

  #goOnWithout(name: string, ticket: Ticket): void {
    const amounts = ticket.amounts.filter(([other]) => other !== name);
    this.#hands.goOn(ticket, amounts, [...ticket.missing, name]);
  }

  #revokeAll(limit: Limit, reason: string): void {
    for (const lease of [...limit.leases.values()]) {
      this.#leases.revoke(lease, reason);
      this.#hands.forgetIfIdle(lease.sessionId);
    }
  }
}
