/** The inverse of the engine's `canonical`: snapshots are that text. */
import { emptyState, type Lease, type Limit, type State } from '@slotkeeper/engine';
import { decodeAmounts, decodeHolder, decodeLifeline, decodeOrigin, decodeSettings } from './codec.ts';
import { count, flag, list, Malformed, ms, msOrNull, parse, level as readLevel, text, tuple } from './fields.ts';

/**
 * What is derived (a limit's `held` and `leases`) is built again from the leases, which stand in the order of their
 * grants. `canonical(decodeState(s)) === s` for each `s` that `canonical` wrote.
 *
 * @throws Malformed on anything else.
 */
export function decodeState(encoded: string): State {
  const [position, atMs, limits, leases] = tuple(parse(encoded), 4);
  const state = emptyState();
  state.position = count(position);
  state.atMs = ms(atMs);
  for (const limit of list(limits)) addLimit(state, decodeLimit(limit));
  for (const lease of list(leases)) addLease(state, decodeLease(lease));
  return state;
}

function decodeLimit(value: unknown): Limit {
  const [name, id, createdAtMs, updatedAtMs, level, levelAtMs, ...settings] = tuple(value, 13);
  return {
    name: text(name),
    id: text(id),
    createdAtMs: ms(createdAtMs),
    updatedAtMs: ms(updatedAtMs),
    settings: decodeSettings(settings),
    held: 0,
    level: readLevel(level),
    levelAtMs: ms(levelAtMs),
    leases: new Map(),
  };
}

function decodeLease(value: unknown): Lease {
  const [id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin] = tuple(
    value,
    11,
  );
  return {
    id: text(id),
    token: count(token),
    sessionId: text(sessionId),
    lifeline: decodeLifeline(lifeline),
    ttlMs: msOrNull(ttlMs),
    renewed: flag(renewed),
    grantedAtMs: ms(grantedAtMs),
    holder: decodeHolder(holder),
    amounts: decodeAmounts(amounts),
    spent: decodeAmounts(spent),
    origin: decodeOrigin(origin),
  };
}

function addLimit(state: State, limit: Limit): void {
  if (state.limits.has(limit.name)) throw new Malformed(`it has limit '${limit.name}' twice`);
  state.limits.set(limit.name, limit);
}

function addLease(state: State, lease: Lease): void {
  if (state.leases.has(lease.id)) throw new Malformed(`it has lease ${lease.id} twice`);
  if (lease.token > state.position) throw new Malformed(`its lease ${lease.id} was granted later, at ${lease.token}`);
  state.leases.set(lease.id, lease);
  for (const [name, slots] of lease.amounts) {
    const limit = state.limits.get(name);
    if (!limit) throw new Malformed(`its lease ${lease.id} holds slots of '${name}', which does not exist`);
    limit.held += slots;
    limit.leases.set(lease.id, lease);
  }
}
