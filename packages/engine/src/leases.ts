/**
 * Leases: the one place where slots are taken and given back. A lease that is not kept alive lapses: its slots count as free,
 * and a grant that needs them ends it. Until then it can be made whole again.
 */
import type { Amounts, Fact, Holder, ReleaseHow } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import type { Lease } from './lease-table.ts';
import type { Ledger } from './ledger.ts';
import { leaseRevoked } from './refusals.ts';
import type { Session, Sessions } from './sessions.ts';
import { assertWithin, room } from './usage.ts';
import type { WaitQueue } from './wait-queue.ts';

/**
 * The state of a lease in this engine. The journal does not have it:
 *
 *        grant ──▶ held ◀── make whole ── lapsed
 *                   │ └──── lapse ─────────▶ │
 *                   └── end ──▶ (gone) ◀─────┘
 */
export type LeaseState = 'held' | 'lapsed';

export class Leases {
  readonly #ledger: Ledger;
  readonly #queue: WaitQueue;
  readonly #sessions: Sessions;
  /** The states of all leases that are not `held`. */
  readonly #states = new Map<string, Exclude<LeaseState, 'held'>>();
  /** Invariant: the token of each grant is greater than that of the one before. */
  #lastToken = 0;

  constructor(ledger: Ledger, queue: WaitQueue, sessions: Sessions) {
    this.#ledger = ledger;
    this.#queue = queue;
    this.#sessions = sessions;
  }

  /** Undefined if there is no such lease. */
  stateOf(id: string): LeaseState | undefined {
    return this.#ledger.state.leases.has(id) ? (this.#states.get(id) ?? 'held') : undefined;
  }

  /** Grants the slots, which must be free or held by lapsed leases. `refunds`: the lease also holds what it takes of rates. */
  take(session: Session, id: string, amounts: Amounts, holder: Holder, refunds: boolean): Lease {
    const { nowMs } = this.#ledger;
    for (const [name, slots] of amounts) this.#endLapsed(name, slots);
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
    const lease = this.#ledger.lease(id);
    if (lease.token <= this.#lastToken) throw new BrokenInvariant(`token ${lease.token} follows ${this.#lastToken}`);
    this.#lastToken = lease.token;
    for (const [name] of amounts) assertWithin(this.#ledger.limit(name), nowMs);
    this.#queue.granted(amounts);
    this.#sessions.addLease(session, lease);
    if (lifeline === 'renewal') this.#sessions.setDeadline(session, nowMs, ttlMs);
    return lease;
  }

  /** Releases the slots of `names`, or with null all. Serve the wait queue afterwards. */
  release(lease: Lease, how: ReleaseHow = 'returned', names: readonly string[] | null = null): void {
    const amounts = names ? lease.amounts.filter(([name]) => names.includes(name)) : lease.amounts;
    this.#end(lease, { type: 'lease.released', at: this.#ledger.nowMs, leaseId: lease.id, names, how }, amounts);
    if (how === 'undone') for (const [name] of lease.spent) this.#queue.roomGained(name);
  }

  /** Ends the lease at its deadline. Serve the wait queue afterwards. */
  expire(lease: Lease): void {
    this.#end(lease, { type: 'lease.expired', at: this.#ledger.nowMs, leaseId: lease.id });
  }

  /** Ends the lease and notifies its holder. Serve the wait queue afterwards. */
  revoke(lease: Lease, reason: string): void {
    const { id, sessionId } = lease;
    const { nowMs: at, by } = this.#ledger;
    this.#end(lease, { type: 'lease.revoked', at, leaseId: id, reason, by });
    this.#ledger.notify({ type: 'ended', sessionId, leaseId: id, refusal: leaseRevoked(id, reason) });
  }

  /** Lapses the lease: its holder gave no sign of life in time. Serve the wait queue afterwards. */
  lapse(lease: Lease): void {
    if (this.stateOf(lease.id) !== 'held') throw new BrokenInvariant(`lease ${lease.id} lapses, and is not held`);
    this.#states.set(lease.id, 'lapsed');
    for (const [name, slots] of lease.amounts) {
      this.#queue.limit(name).lapsed.add(lease, slots);
      this.#queue.roomGained(name);
    }
  }

  /** The holder is back, so the lease is held again. False if somebody waits for its slots: then the caller ends it. */
  makeWhole(lease: Lease): boolean {
    if (this.stateOf(lease.id) !== 'lapsed') throw new BrokenInvariant(`lease ${lease.id} is whole already`);
    for (const [name] of lease.amounts) if (this.#queue.isWantedNow(name)) return false;
    this.#takeOffLapsed(lease, lease.amounts);
    this.#states.delete(lease.id);
    return true;
  }

  /** Ends as many lapsed leases as the slots need, the oldest first. */
  #endLapsed(name: string, slots: number): void {
    const { limit, lapsed } = this.#queue.limit(name);
    if (lapsed.slots === 0) return;
    for (let first = lapsed.first; first; first = lapsed.first) {
      if (room(limit, 0, this.#ledger.nowMs) >= slots) return;
      this.expire(first);
    }
  }

  /** `amounts`: the part of the lease that is over. */
  #end(lease: Lease, fact: Fact, amounts: Amounts = lease.amounts): void {
    this.#takeOffLapsed(lease, amounts);
    this.#ledger.record(fact);
    for (const [name] of amounts) this.#queue.roomGained(name);
    if (lease.amounts.length > 0) return;
    this.#states.delete(lease.id);
    this.#sessions.removeLease(lease);
  }

  #takeOffLapsed(lease: Lease, amounts: Amounts): void {
    if (!this.#states.has(lease.id)) return;
    for (const [name] of amounts) this.#queue.limit(name).lapsed.delete(lease);
  }
}
