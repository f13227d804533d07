/** Limits set by hand: created, changed, deleted, renamed, reset. Serve the wait queue after each. */
import { whyNever } from './admission.ts';
import type { DirectGrant, LimitPatch } from './commands.ts';
import type { LimitSettings } from './facts.ts';
import { setUntracked } from './handle-untracked.ts';
import type { Limit } from './limit-table.ts';
import { grant, refuseTicket } from './outcomes.ts';
import { forgetIfIdle, type Parts } from './parts.ts';
import {
  hasHolders,
  nameInUse,
  notCreated,
  notFound,
  queueFull,
  type Refusal,
  slotsNeeded,
  tooLarge,
} from './refusals.ts';
import type { State } from './state.ts';
import type { Ticket } from './tickets.ts';

const NEW_LIMIT: Omit<LimitSettings, 'slots'> = {
  slotDecayPerSecond: null,
  active: true,
  mode: 'open',
  overtakes: 16,
  maxWaiters: null,
  description: null,
};

/** Creates the limit, with this `id`, if it does not exist. */
export function ensureLimit(
  { ledger, queue, bounds }: Parts,
  name: string,
  id: string,
  patch: LimitPatch,
): Refusal | undefined {
  if (ledger.state.limits.has(name)) return undefined;
  const { slots } = patch;
  if (slots === undefined) return slotsNeeded(name);
  const refusal = whyNoLimit(ledger.state, bounds, [name]);
  if (refusal) return refusal;
  const settings = { ...NEW_LIMIT, ...patch, slots };
  ledger.record({ type: 'limit.set', at: ledger.nowMs, name, id, settings, by: ledger.by });
  queue.add(ledger.limit(name));
  return undefined;
}

/** Why limits of these names, which do not exist, may not be created. */
export function whyNoLimit({ limits }: State, bounds: Parts['bounds'], names: readonly string[]): Refusal | undefined {
  if (!bounds.creates) return notCreated(names);
  const isFull = limits.size + names.length > bounds.limits;
  return isFull ? queueFull('limits on this server', bounds.limits, { bound: 'limits' }) : undefined;
}

export function setLimit(parts: Parts, name: string, id: string, patch: LimitPatch): Refusal | undefined {
  const { ledger, queue } = parts;
  const limit = ledger.state.limits.get(name);
  if (!limit) return ensureLimit(parts, name, id, patch);
  const before = limit.settings;
  const settings: LimitSettings = { ...before, ...patch };
  if (JSON.stringify(settings) === JSON.stringify(before)) return undefined;
  ledger.record({ type: 'limit.set', at: ledger.nowMs, name, id: limit.id, settings, by: ledger.by });
  if (isStricter(before, settings)) refuseHopeless(parts, name);
  queue.changed(name);
  return undefined;
}

/** Refused while the limit has holders, unless forced. Waiters that allow missing limits wait on without it; others are refused. */
export function deleteLimit(parts: Parts, name: string, force: boolean): Refusal | undefined {
  const { ledger, queue } = parts;
  const limit = ledger.state.limits.get(name);
  if (!limit) return notFound([name], ledger.state.limits);
  if (limit.leases.size > 0 && !force) return hasHolders(name, limit.leases.size);
  revokeAll(parts, limit, `its limit '${name}' was deleted`);
  const waiting = withdrawWaiters(parts, name);
  ledger.record({ type: 'limit.deleted', at: ledger.nowMs, name, by: ledger.by });
  queue.delete(name);
  for (const ticket of waiting) waitOnWithout(parts, name, ticket);
  return undefined;
}

/** Leases keep their slots. For waiters, the old name is now one that no limit has. */
export function renameLimit(parts: Parts, name: string, to: string): Refusal | undefined {
  const { ledger, queue } = parts;
  if (!ledger.state.limits.has(name)) return notFound([name], ledger.state.limits);
  if (name === to) return undefined;
  if (ledger.state.limits.has(to)) return nameInUse(to);
  const waiting = withdrawWaiters(parts, name);
  ledger.record({ type: 'limit.renamed', at: ledger.nowMs, name, to, by: ledger.by });
  queue.rename(name, to);
  for (const ticket of waiting) waitOnWithout(parts, name, ticket);
  return undefined;
}

/** Revokes every lease on the limit, frees its untracked slots, then grants one slot to each of `grants`. All or nothing. */
export function resetLimit(parts: Parts, name: string, grants: readonly DirectGrant[]): Refusal | undefined {
  const { ledger, sessions, leases } = parts;
  const limit = ledger.state.limits.get(name);
  if (!limit) return notFound([name], ledger.state.limits);
  const { active, slots } = limit.settings;
  if (active && grants.length > slots) return tooLarge(name, grants.length, slots);
  revokeAll(parts, limit, `limit '${name}' was reset`);
  if (limit.usage.taken > 0) setUntracked(parts, name, 0);
  for (const { leaseId, sessionId, ttlMs, holder } of grants) {
    const session = sessions.add(sessionId, 'renewal', ttlMs, 'prefect-tag');
    leases.take(session, leaseId, [[name, 1]], holder, true);
  }
  return undefined;
}

/** Whether there may be waiters that could be granted before and can no longer. */
function isStricter(before: LimitSettings, { active, slots, slotDecayPerSecond, mode }: LimitSettings): boolean {
  return (
    (mode === 'draining' && before.mode !== 'draining') ||
    (active && (slots < before.slots || !before.active)) ||
    (slotDecayPerSecond === null && before.slotDecayPerSecond !== null)
  );
}

/** Refuses the waiters that can no longer be granted, whether their clients are there or not. */
function refuseHopeless(parts: Parts, name: string): void {
  for (const ticket of parts.tickets.waitingFor(name)) {
    const refusal = whyNever(parts.ledger.state, ticket.request, ticket.waiter.amounts);
    if (refusal) refuseTicket(parts, ticket, refusal);
  }
}

/** Call before the limit loses this name. Refuses the waiters that do not allow that, and takes out and returns the others. */
function withdrawWaiters(parts: Parts, name: string): readonly Ticket[] {
  const waitingOn: Ticket[] = [];
  // Refuse first, take out last: a refusal forgets a session that has no ticket left, and these still have theirs.
  for (const ticket of parts.tickets.waitingFor(name)) {
    if (ticket.request.onMissing === 'allow') waitingOn.push(ticket);
    else refuseTicket(parts, ticket, notFound([name], parts.ledger.state.limits));
  }
  for (const ticket of waitingOn) parts.tickets.remove(ticket);
  return waitingOn;
}

/** Grants the waiter, or queues it again at its place, without the limit that is gone. */
function waitOnWithout(parts: Parts, name: string, { session, request, missing, joinedAtMs, timeout, waiter }: Ticket) {
  const amounts = waiter.amounts.filter(([other]) => other !== name);
  const without = [...missing, name];
  if (amounts.length === 0 && session.connected) {
    grant(parts, session, request, amounts, without, joinedAtMs);
    return;
  }
  const grantsAsItJoined = waiter.grantsAsItJoined.filter((_, i) => waiter.amounts[i]?.[0] !== name);
  const timeoutAtMs = timeout?.atMs ?? null;
  parts.tickets.add({
    session,
    request,
    missing: without,
    amounts,
    place: waiter.place,
    timeoutAtMs,
    grantsAsItJoined,
  });
}

function revokeAll(parts: Parts, limit: Limit, reason: string): void {
  for (const lease of [...limit.leases]) {
    parts.leases.revoke(lease, reason);
    forgetIfIdle(parts, lease.sessionId);
  }
}
