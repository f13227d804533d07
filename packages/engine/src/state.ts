/**
 * The durable state and the one function that changes it. Everything else (waiters, last heartbeats, deadlines) is lost with
 * the process, and rebuilt from what returning clients send.
 */
import type { Amounts, EngineMs, Fact } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import { type Lease, LeaseTable, leasesInOrder } from './lease-table.ts';
import { type Limit, LimitTable } from './limit-table.ts';
import { undecayed } from './rate.ts';
import { changed, giveBack, hold, letGo, newUsage, setTaken, take } from './usage.ts';

/**
 * A snapshot that is written while the state goes on changing. It needs each limit and lease as it was when the snapshot
 * began, so `evolve` announces each one with an older `snapshot` number before it changes it.
 */
export interface SnapshotUnderWay {
  limitChanges(limit: Limit): void;
  leaseChanges(lease: Lease): void;
}

export interface State {
  /** The position of the last fact; 0 before the first. */
  position: number;
  /** The time of the last fact. */
  atMs: EngineMs;
  readonly limits: LimitTable;
  readonly leases: LeaseTable;
  /** How many snapshots were begun in this process. */
  snapshots: number;
  snapshotUnderWay: SnapshotUnderWay | null;
}

export function emptyState(): State {
  return {
    position: 0,
    atMs: 0,
    limits: new LimitTable(),
    leases: new LeaseTable(),
    snapshots: 0,
    snapshotUnderWay: null,
  };
}

/** Applies one fact. Facts come from `step` or from a journal, so one that does not fit is a bug or a damaged journal: it throws. */
export function evolve(state: State, fact: Fact): void {
  state.position += 1;
  state.atMs = fact.at;
  switch (fact.type) {
    case 'limit.set': {
      const limit = state.limits.get(fact.name);
      if (limit) {
        announceLimit(state, limit);
        const before = limit.settings.slotDecayPerSecond;
        limit.usage = changed(limit.usage, fact.settings.slotDecayPerSecond, fact.at);
        limit.settings = fact.settings;
        limit.updatedAtMs = fact.at;
        if (fact.settings.slotDecayPerSecond !== before) forgetSpent(state, limit);
      } else {
        state.limits.add({
          name: fact.name,
          id: fact.id,
          createdAtMs: fact.at,
          updatedAtMs: fact.at,
          settings: fact.settings,
          usage: newUsage(fact.settings.slotDecayPerSecond, fact.at),
          leases: leasesInOrder(),
          spenders: null,
          snapshot: state.snapshots,
        });
      }
      return;
    }
    case 'limit.deleted': {
      const limit = changing(state, fact.name, fact);
      if (limit.leases.size > 0)
        throw new Error(`limit '${fact.name}' is deleted with ${limit.leases.size} leases on it`);
      forgetSpent(state, limit);
      state.limits.remove(limit);
      return;
    }
    case 'limit.renamed': {
      const limit = changing(state, fact.name, fact);
      if (state.limits.has(fact.to)) throw new Error(`limit '${fact.name}' is renamed to '${fact.to}', which exists`);
      rename(state, limit, fact.to);
      limit.updatedAtMs = fact.at;
      return;
    }
    case 'untracked.set':
      setTaken(changing(state, fact.name, fact).usage, fact.slots, fact.at);
      return;
    case 'untracked.returned':
      for (const [name, slots] of fact.amounts) giveBack(changing(state, name, fact).usage, slots, fact.at);
      return;
    case 'lease.granted': {
      if (state.leases.has(fact.leaseId)) throw new Error(`lease ${fact.leaseId} is granted twice`);
      const spent = fact.refunds
        ? NOTHING
        : fact.amounts.filter(([name]) => state.limits.get(name)?.usage.kind === 'rate');
      const lease: Lease = {
        id: fact.leaseId,
        token: state.position,
        sessionId: fact.sessionId,
        lifeline: fact.lifeline,
        ttlMs: fact.ttlMs,
        renewed: false,
        grantedAtMs: fact.at,
        holder: fact.holder,
        amounts: spent.length === 0 ? fact.amounts : fact.amounts.filter((amount) => !spent.includes(amount)),
        spent,
        origin: fact.origin,
        snapshot: state.snapshots,
      };
      for (const [name, slots] of fact.amounts) take(changing(state, name, fact).usage, slots, fact.at);
      insertLease(state, lease);
      return;
    }
    case 'lease.renewed': {
      const lease = changingLease(state, fact.leaseId, fact);
      lease.ttlMs = fact.ttlMs;
      lease.renewed = true;
      return;
    }
    case 'lease.released':
    case 'lease.expired':
    case 'lease.revoked': {
      const lease = changingLease(state, fact.leaseId, fact);
      const names = fact.type === 'lease.released' ? fact.names : null;
      const how = fact.type === 'lease.released' ? fact.how : 'returned';
      endSlots(state, lease, names, how !== 'untracked', fact);
      if (how === 'undone') refund(state, lease, fact);
      if (lease.amounts.length === 0) endLease(state, lease);
      return;
    }
  }
}

/** Adds a lease, to its limits' indexes as well. Throws if it is there already, or one of its limits is not. */
export function insertLease({ limits, leases }: State, lease: Lease): void {
  const limitOf = (name: string): Limit => {
    const limit = limits.get(name);
    if (!limit) throw new Error(`lease ${lease.id} names limit '${name}', which does not exist`);
    return limit;
  };
  leases.add(lease);
  for (const [name, slots] of lease.amounts) {
    const limit = limitOf(name);
    hold(limit.usage, slots);
    limit.leases.add(lease);
  }
  for (const [name] of lease.spent) {
    const limit = limitOf(name);
    limit.spenders ??= leasesInOrder();
    limit.spenders.add(lease);
  }
}

/** Ends the lease's slots of the limits `names`; null: all. */
function endSlots(state: State, lease: Lease, names: readonly string[] | null, frees: boolean, fact: Fact): void {
  const amounts = names ? lease.amounts.filter(([name]) => names.includes(name)) : lease.amounts;
  if (names && amounts.length < names.length)
    throw new Error(`a ${fact.type} fact names ${names.join()}, and lease ${lease.id} does not hold all of them`);
  for (const [name, slots] of amounts) {
    const limit = changing(state, name, fact);
    letGo(limit.usage, slots);
    if (frees) giveBack(limit.usage, slots, fact.at);
    limit.leases.remove(lease);
    if (limit.leases.size === 0 && limit.usage.held !== 0)
      throw new BrokenInvariant(`limit '${name}' counts ${limit.usage.held} slots as held, and no lease holds any`);
  }
  lease.amounts = names ? lease.amounts.filter((amount) => !amounts.includes(amount)) : NOTHING;
}

/** Returns what the lease spent of rates, less what may have decayed, and been granted again, since. */
function refund(state: State, lease: Lease, fact: Fact): void {
  for (const [name, slots] of lease.spent) {
    const { usage } = changing(state, name, fact);
    if (usage.kind !== 'rate') throw new BrokenInvariant(`lease ${lease.id} has spent of '${name}', which is no rate`);
    giveBack(usage, undecayed(usage, slots, lease.grantedAtMs, fact.at), fact.at);
  }
}

/** Removes a lease that holds nothing any more. */
function endLease({ limits, leases }: State, lease: Lease): void {
  for (const [name] of lease.spent) limits.get(name)?.spenders?.remove(lease);
  leases.remove(lease);
}

function forgetSpent(state: State, limit: Limit): void {
  for (const lease of limit.spenders ?? NOBODY) {
    announceLease(state, lease);
    lease.spent = lease.spent.filter(([name]) => name !== limit.name);
  }
  limit.spenders = null;
}

function rename(state: State, limit: Limit, to: string): void {
  const renamed = (amounts: Amounts): Amounts =>
    amounts.map(([name, slots]) => [name === limit.name ? to : name, slots]);
  for (const lease of limit.leases) {
    announceLease(state, lease);
    lease.amounts = renamed(lease.amounts);
  }
  for (const lease of limit.spenders ?? NOBODY) {
    announceLease(state, lease);
    lease.spent = renamed(lease.spent);
  }
  state.limits.rename(limit, to);
}

const NOBODY: readonly Lease[] = [];
const NOTHING: Amounts = [];

export function slotsIn(amounts: Amounts, name: string): number | undefined {
  return amounts.find(([other]) => other === name)?.[1];
}

/** The limit that a fact changes. */
function changing(state: State, name: string, fact: Fact): Limit {
  const limit = state.limits.get(name);
  if (!limit) throw new Error(`a ${fact.type} fact names limit '${name}', which does not exist`);
  announceLimit(state, limit);
  return limit;
}

/** The lease that a fact changes. */
function changingLease(state: State, leaseId: string, fact: Fact): Lease {
  const lease = state.leases.get(leaseId);
  if (!lease) throw new Error(`a ${fact.type} fact names lease '${leaseId}', which does not exist`);
  announceLease(state, lease);
  return lease;
}

function announceLimit({ snapshotUnderWay, snapshots }: State, limit: Limit): void {
  if (snapshotUnderWay !== null && limit.snapshot !== snapshots) snapshotUnderWay.limitChanges(limit);
}

function announceLease({ snapshotUnderWay, snapshots }: State, lease: Lease): void {
  if (snapshotUnderWay !== null && lease.snapshot !== snapshots) snapshotUnderWay.leaseChanges(lease);
}

/**
 * The state as text: equal states have equal texts, even if their histories differ. Tests compare replays by it.
 */
export function canonical(state: State): string {
  const limits = [...state.limits.values()].map(({ name, id, createdAtMs, updatedAtMs, usage, settings: s }) => [
    name,
    id,
    createdAtMs,
    updatedAtMs,
    usage.taken,
    usage.kind === 'rate' ? usage.atMs : null,
    s.slots,
    s.slotDecayPerSecond,
    s.active,
    s.mode,
    s.overtakes,
    s.maxWaiters,
    s.description,
  ]);
  const leases = [...state.leases.values()].map(
    ({ id, token, sessionId: session, lifeline, ttlMs, renewed, grantedAtMs, holder: h, amounts, spent, origin }) => [
      id,
      token,
      session,
      lifeline,
      ttlMs,
      renewed,
      grantedAtMs,
      [h.type, h.id, h.label, h.host, h.pid],
      amounts,
      spent,
      origin,
    ],
  );
  return JSON.stringify([state.position, state.atMs, limits, leases]);
}
