/** Sessions: adopted from the journal, opened and resumed, kept alive, lost, closed. */
import type { AcquireRequest, Claim, Command } from './commands.ts';
import { resumeAcquire } from './handle-acquire.ts';
import type { Lease } from './lease-table.ts';
import { isGrantOf } from './outcomes.ts';
import { forgetIfIdle, type Parts } from './parts.ts';
import { leaseLost, queueFull, type Refusal, staleConnection } from './refusals.ts';
import type { Session } from './sessions.ts';

/** Adds a lease of the journal, with its session: that holds leases and has not connected yet. */
export function adopt({ sessions, leases, ledger }: Parts, lease: Lease): void {
  const { lifeline, ttlMs, origin } = lease;
  const session = sessions.get(lease.sessionId) ?? sessions.add(lease.sessionId, lifeline, ttlMs, origin);
  sessions.addLease(session, lease);
  if (lifeline !== 'process') {
    sessions.setDeadline(session, ledger.nowMs, session.ttlMs);
    return;
  }
  // The process that embedded the engine is gone, and its leases with it: they end with the first tick.
  if (!session.lapsed) sessions.lapse(session);
  leases.lapse(lease);
  sessions.setDeadline(session, ledger.nowMs, 0);
}

export function openSession(
  parts: Parts,
  { sessionId, connection, lifeline, ttlMs, leases, waits, origin }: Command & { readonly type: 'session.open' },
): Refusal | undefined {
  const { sessions, tickets, ledger, bounds } = parts;
  const known = sessions.get(sessionId);
  if (known && connection <= known.connection) return staleConnection(connection, known.connection);
  if (!known && sessions.size >= bounds.sessions)
    return queueFull('clients of this server', bounds.sessions, { bound: 'sessions' });
  const session = known ?? sessions.add(sessionId, lifeline, ttlMs, origin);
  if (session.connected) notifyDisconnect(parts, session, 'displaced');
  if (session.leases.size === 0) sessions.setTtl(session, ttlMs);
  const places = new Map([...tickets.ofSession(session)].map(({ waiter }) => [waiter.leaseId, waiter.place]));
  for (const ticket of [...tickets.ofSession(session)]) tickets.remove(ticket);
  sessions.connect(session, connection);
  resumeLeases(parts, session, leases, waits);
  if (session.lifeline === 'heartbeat') sessions.setDeadline(session, ledger.nowMs, session.ttlMs);
  // Over REST a waiter lives as long as its request is held open, so a session without leases has no deadline.
  else if (session.leases.size === 0) sessions.setDeadline(session, ledger.nowMs, null);
  for (const wait of waits) {
    resumeAcquire(parts, session, { ...wait, place: places.get(wait.leaseId) ?? wait.place });
  }
  forgetIfIdle(parts, session.id);
  return undefined;
}

function resumeLeases(
  { sessions, leases, ledger }: Parts,
  session: Session,
  claims: readonly Claim[],
  waits: readonly AcquireRequest[],
): void {
  const claimed = new Map(claims);
  const awaited = new Map(waits.map((request) => [request.leaseId, request]));
  for (const lease of [...session.leases.values()]) {
    const asked = awaited.get(lease.id);
    if (claimed.get(lease.id) !== lease.token && !(asked && isGrantOf(lease, asked))) leases.release(lease);
    else if (session.lapsed && !leases.makeWhole(lease)) leases.expire(lease);
  }
  sessions.revive(session);
  for (const [id, token] of claims) {
    if (session.leases.get(id)?.token === token) continue;
    ledger.notify({ type: 'ended', sessionId: session.id, leaseId: id, refusal: leaseLost(id) });
  }
}

/** A sign of life of a session. */
export function alive({ sessions, ledger }: Parts, sessionId: string, connection: number): undefined {
  const session = sessions.get(sessionId);
  if (session?.connected && session.connection === connection && session.lifeline === 'heartbeat') {
    sessions.setDeadline(session, ledger.nowMs, session.ttlMs);
  }
}

export function lose(parts: Parts, sessionId: string, connection: number, keepMs: number | undefined): undefined {
  const { sessions, tickets, queue, ledger } = parts;
  const session = sessions.get(sessionId);
  if (session?.connection !== connection || !session.connected) return;
  sessions.disconnect(session);
  for (const { waiter } of tickets.ofSession(session)) queue.leave(waiter);
  const idleMs = session.lifeline === 'renewal' ? (keepMs ?? 0) : keepMs;
  if (idleMs !== undefined && session.leases.size === 0) sessions.setDeadline(session, ledger.nowMs, idleMs);
  forgetIfIdle(parts, sessionId);
}

export function closeSession({ sessions, tickets, leases }: Parts, sessionId: string, connection: number): undefined {
  const session = sessions.get(sessionId);
  if (session?.connection !== connection) return;
  for (const ticket of [...tickets.ofSession(session)]) tickets.remove(ticket);
  for (const lease of [...session.leases.values()]) leases.release(lease);
  sessions.delete(session);
}

/**
 * Call when a session's deadline has come: it lapses, or ends if it has lapsed before. Returns the leases that lapse with it,
 * for the caller to lapse. Serve the wait queue afterwards.
 */
export function lapseOrEnd(parts: Parts, session: Session): readonly Lease[] {
  const { sessions, tickets, leases } = parts;
  for (const ticket of [...tickets.ofSession(session)]) tickets.remove(ticket);
  if (session.connected && session.lifeline === 'heartbeat') notifyDisconnect(parts, session, 'lapsed');
  sessions.disconnect(session);
  const held = [...session.leases.values()];
  if (session.lapsed || held.length === 0) {
    for (const lease of held) leases.expire(lease);
    sessions.delete(session);
    return [];
  }
  sessions.lapse(session);
  sessions.prolong(session);
  return held;
}

function notifyDisconnect({ ledger }: Parts, { id, connection }: Session, reason: 'lapsed' | 'displaced'): void {
  ledger.notify({ type: 'disconnect', sessionId: id, connection, reason });
}
