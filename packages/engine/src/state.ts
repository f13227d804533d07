/**
 * The durable state and the one function that changes it. Whatever is not here (waiters, sessions' last heartbeats,
 * deadlines) is lost with the process and told again by the clients that come back.
 */
import type { EngineMs, Fact, Holder, Lifeline, LimitSettings } from './facts.ts';

export interface Limit {
  readonly name: string;
  /** Chosen by the shell as the limit is created; Prefect's API names limits by it. */
  readonly id: string;
  readonly createdAtMs: EngineMs;
  updatedAtMs: EngineMs;
  settings: LimitSettings;
  /** Sum of what the leases hold here. Invariant: equals the sum over `leases`. */
  held: number;
  /** Leases that hold slots here, in the order of their grants. */
  readonly leases: Map<string, Lease>;
}

export interface Lease {
  readonly id: string;
  /** The fencing token: the position of the grant. */
  readonly token: number;
  readonly session: string;
  readonly lifeline: Lifeline;
  ttlMs: number | null;
  readonly grantedAtMs: EngineMs;
  readonly holder: Holder;
  /** What it holds, by the limit's name. Never empty but in a lease on nothing (all its names were unknown and allowed). */
  readonly amounts: Map<string, number>;
}

export interface State {
  /** The position of the last fact; 0 before the first. */
  position: number;
  /** The time of the last fact. */
  atMs: EngineMs;
  readonly limits: Map<string, Limit>;
  readonly leases: Map<string, Lease>;
}

export function emptyState(): State {
  return { position: 0, atMs: 0, limits: new Map(), leases: new Map() };
}

/** Applies one fact. Facts come from `step` or from a journal, so one that does not fit is a bug or a damaged journal: it throws. */
export function evolve(state: State, fact: Fact): void {
  state.position += 1;
  state.atMs = fact.at;
  switch (fact.type) {
    case 'limit.set': {
      const limit = state.limits.get(fact.name);
      if (limit) {
        limit.settings = fact.settings;
        limit.updatedAtMs = fact.at;
      } else {
        state.limits.set(fact.name, {
          name: fact.name,
          id: fact.id,
          createdAtMs: fact.at,
          updatedAtMs: fact.at,
          settings: fact.settings,
          held: 0,
          leases: new Map(),
        });
      }
      return;
    }
    case 'limit.deleted': {
      const limit = known(state.limits, fact.name, fact);
      if (limit.leases.size > 0)
        throw new Error(`limit '${fact.name}' is deleted with ${limit.leases.size} leases on it`);
      state.limits.delete(fact.name);
      return;
    }
    case 'lease.granted': {
      if (state.leases.has(fact.lease)) throw new Error(`lease ${fact.lease} is granted twice`);
      const lease: Lease = {
        id: fact.lease,
        token: state.position,
        session: fact.session,
        lifeline: fact.lifeline,
        ttlMs: fact.ttlMs,
        grantedAtMs: fact.at,
        holder: fact.holder,
        amounts: new Map(),
      };
      state.leases.set(lease.id, lease);
      for (const [name, slots] of fact.amounts) {
        const limit = known(state.limits, name, fact);
        lease.amounts.set(name, slots);
        limit.held += slots;
        limit.leases.set(lease.id, lease);
      }
      return;
    }
    case 'lease.renewed':
      known(state.leases, fact.lease, fact).ttlMs = fact.ttlMs;
      return;
    case 'lease.released':
    case 'lease.expired':
    case 'lease.revoked': {
      const lease = known(state.leases, fact.lease, fact);
      const names = fact.type === 'lease.released' && fact.names !== null ? fact.names : lease.amounts.keys();
      for (const name of names) giveBack(state, lease, name, fact);
      if (lease.amounts.size === 0) state.leases.delete(lease.id);
      return;
    }
  }
}

function giveBack(state: State, lease: Lease, name: string, fact: Fact): void {
  const limit = known(state.limits, name, fact);
  limit.held -= known(lease.amounts, name, fact);
  limit.leases.delete(lease.id);
  lease.amounts.delete(name);
}

function known<T>(map: ReadonlyMap<string, T>, key: string, fact: Fact): T {
  const value = map.get(key);
  if (value === undefined) throw new Error(`a ${fact.type} fact names '${key}', which does not exist`);
  return value;
}

/**
 * The state as text: the same for equal states, whatever their history. Snapshots are written so, and two replays are
 * compared by it.
 */
export function canonical(state: State): string {
  const limits = [...state.limits.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, id, createdAtMs, updatedAtMs, settings: s }) => [
      name,
      id,
      createdAtMs,
      updatedAtMs,
      s.kind,
      s.slots,
      s.active,
      s.mode,
      s.overtakes,
      s.maxWaiters,
      s.description,
    ]);
  const leases = [...state.leases.values()]
    .sort((a, b) => a.token - b.token)
    .map(({ id, token, session, lifeline, ttlMs, grantedAtMs, holder: h, amounts }) => [
      id,
      token,
      session,
      lifeline,
      ttlMs,
      grantedAtMs,
      [h.type, h.id, h.label, h.host, h.pid],
      [...amounts],
    ]);
  return JSON.stringify([state.position, state.atMs, limits, leases]);
}
