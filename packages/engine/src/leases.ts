/**
 * Leases: the one place where slots are taken, given back, and lent on. A lease that is not kept alive lapses: its slots
 * count as free, and whoever needs them ends it; until then it can be made whole again.
 */
import type { Amounts, Fact, Holder, ReleaseHow } from './facts.ts';
import type { Ledger } from './ledger.ts';
import { assertWithin, room } from './level.ts';
import type { Gate, Line } from './line.ts';
import { leaseRevoked } from './refusals.ts';
import type { Session, Sessions } from './sessions.ts';
import type { Lease } from './state.ts';
import type { Ticket } from './tickets.ts';

export class Leases {
  readonly #ledger: Ledger;
  readonly #line: Line<Ticket>;
  readonly #sessions: Sessions<Ticket>;

  constructor(ledger: Ledger, line: Line<Ticket>, sessions: Sessions<Ticket>) {
    this.#ledger = ledger;
    this.#line = line;
    this.#sessions = sessions;
  }

  /** The slots must be free, or held by leases that have lapsed. `refunds`: what it takes of rates is its own, too. */
  take(session: Session<Ticket>, id: string, amounts: Amounts, holder: Holder, refunds: boolean): Lease {
    const { nowMs } = this.#ledger;
    for (const [name, slots] of amounts) {
      const gate = this.#line.gate(name);
      if (gate.lapsed.size > 0) this.#endLapsed(gate, slots);
    }
    const { lifeline, ttlMs, origin } = session;
    this.#ledger.record({
      type: 'lease.granted',
      at: nowMs,
      leaseId: id,
      sessionId: session.id,
      lifeline,
      ttlMs,
      amounts,
      holder,
      refunds,
      origin,
    });
    for (const [name] of amounts) assertWithin(this.#ledger.limit(name), nowMs);
    this.#line.granted(amounts);
    const lease = this.#ledger.lease(id);
    session.leases.set(id, lease);
    if (lifeline === 'renewal') this.#sessions.setDeadline(session, nowMs, ttlMs);
    return lease;
  }

  /** Of all its limits, or of `names` only. The line is to be settled afterwards. */
  release(lease: Lease, how: ReleaseHow = 'returned', names: readonly string[] | null = null): void {
    const amounts = names ? lease.amounts.filter(([name]) => names.includes(name)) : lease.amounts;
    this.#end(lease, { type: 'lease.released', at: this.#ledger.nowMs, leaseId: lease.id, names, how }, amounts);
    if (how === 'undone') for (const [name] of lease.spent) this.#line.roomGained(name);
  }

  /** The line is to be settled afterwards. */
  expire(lease: Lease): void {
    this.#end(lease, { type: 'lease.expired', at: this.#ledger.nowMs, leaseId: lease.id });
  }

  /** Its holder is told why. The line is to be settled afterwards. */
  revoke(lease: Lease, reason: string): void {
    const { id, sessionId: session } = lease;
    this.#end(lease, { type: 'lease.revoked', at: this.#ledger.nowMs, leaseId: id, reason });
    this.#ledger.tell({ type: 'ended', sessionId: session, leaseId: id, refusal: leaseRevoked(id, reason) });
  }

  /** Nothing was heard of its holder in time. The line is to be settled afterwards. */
  lapse(lease: Lease): void {
    for (const [name, slots] of lease.amounts) {
      const gate = this.#line.gate(name);
      gate.lapsed.set(lease.id, lease);
      gate.lapsedSlots += slots;
      this.#line.roomGained(name);
    }
  }

  /** Its holder is back. False if somebody waits for its slots: then it is to end. */
  makeWhole(lease: Lease): boolean {
    for (const [name] of lease.amounts) if (this.#line.isWantedNow(name)) return false;
    this.#takeOffLapsed(lease, lease.amounts);
    return true;
  }

  /** As many as the slots need, the oldest first. */
  #endLapsed({ limit, lapsed }: Gate<Ticket>, slots: number): void {
    for (const lease of lapsed.values()) {
      if (room(limit, 0, this.#ledger.nowMs) >= slots) return;
      this.expire(lease);
    }
  }

  /** `amounts`: what of the lease is over. */
  #end(lease: Lease, fact: Fact, amounts: Amounts = lease.amounts): void {
    this.#takeOffLapsed(lease, amounts);
    this.#ledger.record(fact);
    for (const [name] of amounts) this.#line.roomGained(name);
    if (lease.amounts.length === 0) this.#sessions.get(lease.sessionId)?.leases.delete(lease.id);
  }

  #takeOffLapsed(lease: Lease, amounts: Amounts): void {
    for (const [name, slots] of amounts) {
      const gate = this.#line.gate(name);
      if (gate.lapsed.delete(lease.id)) gate.lapsedSlots -= slots;
    }
  }
}
