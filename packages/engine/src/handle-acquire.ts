/** Acquires: a new one, one that a client repeats when it is back, and one that it cancels. */
import { type Admission, admit } from './admission.ts';
import { CLIENTS_SHARE } from './bounds.ts';
import type { AcquireRequest } from './commands.ts';
import { explain } from './explain.ts';
import type { Amounts } from './facts.ts';
import { ensureLimit, whyNoLimit } from './handle-limits.ts';
import { grant, grantAgain, isGrantOf, refuse } from './outcomes.ts';
import { forgetIfIdle, type Parts } from './parts.ts';
import type { Place } from './place.ts';
import { leaseIdInUse, queueFull, type Refusal, timedOut } from './refusals.ts';
import type { Session } from './sessions.ts';
import type { Ticket } from './tickets.ts';
import { weightOf } from './weight.ts';

export function acquire(parts: Parts, sessionId: string, request: AcquireRequest): undefined {
  const { queue, ledger } = parts;
  const session = connected(parts, sessionId);
  if (answeredAgain(parts, session, request)) return;
  const admission = admitted(parts, session, request);
  if (!admission) return;
  const { amounts, missing } = admission;
  const { leaseId } = request;
  const place = placeFor(parts, request);
  if (amounts.length === 0 || queue.fits(amounts, place, ledger.nowMs)) {
    grant(parts, session, request, amounts, missing, ledger.nowMs);
  } else if (request.timeoutMs === 0 && queue.heldBackUntilMs === null) {
    refuse(parts, session, leaseId, timedOut(0, explain(queue, leaseId, amounts, place, ledger.nowMs)));
  } else {
    enqueue(parts, session, request, admission, place);
  }
}

/** Takes an acquire of a client that is back, with the place that it had, if any. Serve the wait queue afterwards. */
export function resumeAcquire(parts: Parts, session: Session, request: AcquireRequest): void {
  if (answeredAgain(parts, session, request)) return;
  const admission = admitted(parts, session, request);
  if (!admission) return;
  const { amounts, missing } = admission;
  if (amounts.length === 0) grant(parts, session, request, amounts, missing, parts.ledger.nowMs);
  else enqueue(parts, session, request, admission, placeFor(parts, request));
}

export function cancel(parts: Parts, sessionId: string, leaseId: string): undefined {
  const { tickets, leases, ledger } = parts;
  const ticket = tickets.get(leaseId);
  const lease = ledger.state.leases.get(leaseId);
  if (ticket?.session.id === sessionId) tickets.remove(ticket);
  else if (lease?.sessionId === sessionId) leases.release(lease, 'undone');
  forgetIfIdle(parts, sessionId);
}

/** The host closes a connection in the same turn in which its session is notified of the disconnect. */
function connected({ sessions }: Parts, id: string): Session {
  const session = sessions.get(id);
  if (!session?.connected) throw new Error('an acquire of a session that is not connected');
  return session;
}

/** Answers an acquire that is known already as before, or refuses a lease id that another one has. False: it is a new acquire. */
function answeredAgain(parts: Parts, session: Session, request: AcquireRequest): boolean {
  const lease = parts.ledger.state.leases.get(request.leaseId);
  const ticket = parts.tickets.get(request.leaseId);
  if (!lease && !ticket) return false;
  const owner = lease ? lease.sessionId : ticket?.session.id;
  const isSame = lease
    ? isGrantOf(lease, request)
    : JSON.stringify(ticket?.request.amounts) === JSON.stringify(request.amounts);
  if (owner !== session.id || !isSame) refuse(parts, session, request.leaseId, leaseIdInUse(request.leaseId));
  else if (lease) grantAgain(parts, lease, request);
  else if (ticket) notifyQueued(parts, ticket);
  return true;
}

/** Admits the acquire and creates the limits that it asks for, or refuses it and returns undefined. */
function admitted(parts: Parts, session: Session, request: AcquireRequest): Admission | undefined {
  const { ledger } = parts;
  const admission = admit(ledger.state, request);
  const refusal = admission.refusal ?? whyNoRoom(parts, session, request, admission);
  if (refusal) {
    refuse(parts, session, request.leaseId, refusal);
    return undefined;
  }
  const { onMissing, limitIds } = request;
  if (typeof onMissing !== 'object') return admission;
  for (const [i, name] of admission.missing.entries()) ensureLimit(parts, name, limitIds[i] as string, onMissing);
  return { ...admission, missing: [] };
}

/** Why the server keeps no more for this client, or for all of them. */
function whyNoRoom(
  { sessions, tickets, bounds, ledger }: Parts,
  session: Session,
  { amounts, holder, onMissing }: AcquireRequest,
  { missing }: Admission,
): Refusal | undefined {
  const { leases, leasesPerSession, bytes } = bounds;
  // Each waiter may become a lease, so it counts.
  if (session.leases.size + tickets.ofSession(session).size >= leasesPerSession)
    return queueFull('leases of one client', leasesPerSession, { bound: 'leasesPerSession' });
  if (ledger.state.leases.size >= leases) return queueFull('leases on this server', leases, { bound: 'leases' });
  const weight = weightOf(amounts, holder);
  if (session.bytes + weight > bytes / CLIENTS_SHARE)
    return queueFull('the bytes of what one client holds and waits for', bytes / CLIENTS_SHARE, { bound: 'bytes' });
  if (sessions.bytes + weight > bytes)
    return queueFull('the bytes of what all clients hold and wait for', bytes, { bound: 'bytes' });
  return typeof onMissing === 'object' && missing.length > 0 ? whyNoLimit(ledger.state, bounds, missing) : undefined;
}

function placeFor({ places, ledger: { nowMs } }: Parts, { place, priority }: AcquireRequest): Place {
  const headStartMs = priority * 1_000;
  return place ? places.claimed(place, headStartMs, nowMs) : places.next(nowMs - headStartMs);
}

function enqueue(
  parts: Parts,
  session: Session,
  request: AcquireRequest,
  { amounts, missing }: Admission,
  place: Place,
): void {
  const { heldBackUntilMs } = parts.queue;
  const { timeoutMs } = request;
  // A try is decided before the step is over, so it needs no room among those who wait.
  const isDecidedNow = timeoutMs === 0 && heldBackUntilMs === null;
  const full = isDecidedNow ? undefined : whyFull(parts, session, amounts, request.place !== null);
  if (full) {
    refuse(parts, session, request.leaseId, full);
    return;
  }
  // While grants are held back a try cannot be decided: it waits for that moment, and no longer.
  const tryAtMs = timeoutMs === 0 ? heldBackUntilMs : null;
  const timeoutAtMs = tryAtMs ?? (timeoutMs === null ? null : parts.ledger.nowMs + timeoutMs);
  notifyQueued(parts, parts.tickets.add({ session, request, missing, amounts, place, timeoutAtMs }));
}

/** Why no more waiters are allowed. One that comes back with its place does not count against `maxWaiters`. */
function whyFull(
  { tickets, bounds, ledger }: Parts,
  session: Session,
  amounts: Amounts,
  hadPlace: boolean,
): Refusal | undefined {
  const { waiters, waitersPerSession } = bounds;
  if (tickets.size >= waiters) return queueFull('waiters on this server', waiters, { bound: 'waiters' });
  if (tickets.ofSession(session).size >= waitersPerSession)
    return queueFull('waiters of one client', waitersPerSession, { bound: 'waitersPerSession' });
  for (const [name] of hadPlace ? [] : amounts) {
    const { maxWaiters } = ledger.limit(name).settings;
    if (maxWaiters !== null && tickets.countFor(name) >= maxWaiters) {
      return queueFull(`waiters of limit '${name}'`, maxWaiters, { name });
    }
  }
  return undefined;
}

/** A try has no position in the wait queue, even while it waits for the end of the hold-back. */
function notifyQueued({ ledger }: Parts, { session, request, waiter }: Ticket): void {
  if (request.timeoutMs === 0) return;
  ledger.notify({ type: 'queued', sessionId: session.id, leaseId: waiter.leaseId, place: waiter.place });
}
