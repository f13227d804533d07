/** The ends of an acquire: granted or refused. */
import type { AcquireRequest, Warning } from './commands.ts';
import { explain } from './explain.ts';
import type { Amounts, EngineMs } from './facts.ts';
import type { Lease } from './lease-table.ts';
import { forgetIfIdle, type Parts } from './parts.ts';
import { type Refusal, timedOut } from './refusals.ts';
import type { Session } from './sessions.ts';
import { type State, slotsIn } from './state.ts';
import type { Ticket } from './tickets.ts';

/** Serves the wait queue: grants all waiters that can be granted, in order, and refuses tries that do not fit. */
export function serveQueue(parts: Parts): void {
  const { queue, tickets, ledger } = parts;
  for (let next = queue.next(ledger.nowMs); next; next = queue.next(ledger.nowMs)) {
    const ticket = tickets.known(next.waiter.leaseId);
    if (next.fits) grantTicket(parts, ticket);
    else timeOut(parts, ticket);
  }
}

/** Grants the acquire. There must be room. `joinedAtMs`: when it began to wait. */
export function grant(
  { leases, ledger }: Parts,
  session: Session,
  request: AcquireRequest,
  amounts: Amounts,
  missing: readonly string[],
  joinedAtMs: EngineMs,
): void {
  const lease = leases.take(session, request.leaseId, amounts, request.holder, request.refunds);
  const { id: leaseId, sessionId, token, grantedAtMs } = lease;
  const warnings = warningsOf(ledger.state, amounts, missing);
  const waitedMs = ledger.nowMs - joinedAtMs;
  ledger.notify({
    type: 'granted',
    sessionId,
    leaseId,
    grant: { token, grantedAtMs, amounts, waitedMs, warnings },
  });
}

function grantTicket(parts: Parts, ticket: Ticket): void {
  const { session, request, missing, joinedAtMs, waiter } = ticket;
  parts.tickets.remove(ticket);
  grant(parts, session, request, waiter.amounts, missing, joinedAtMs);
}

/** Answers an acquire that has been granted before. */
export function grantAgain({ ledger }: Parts, lease: Lease, request: AcquireRequest): void {
  const { id: leaseId, sessionId, token, grantedAtMs } = lease;
  const amounts = grantedOf(lease, request);
  ledger.notify({
    type: 'granted',
    sessionId,
    leaseId,
    grant: { token, grantedAtMs, amounts, waitedMs: 0, warnings: NO_WARNINGS },
  });
}

/** Whether the lease came from this request: it has all the amounts, or all except those that were left out. */
export function isGrantOf(lease: Lease, request: AcquireRequest): boolean {
  return grantedOf(lease, request).length === lease.amounts.length + lease.spent.length;
}

/**
 * The amounts of the request that the lease holds or has spent, in the order of the request. Missing are those that it spent
 * of rates that have been deleted since, or got another decay.
 */
function grantedOf({ amounts, spent }: Lease, request: AcquireRequest): Amounts {
  return request.amounts.filter(([name, slots]) => (slotsIn(amounts, name) ?? slotsIn(spent, name)) === slots);
}

const NO_WARNINGS: readonly Warning[] = [];

/** Warnings of limits that limit nothing at the time of the grant. */
function warningsOf({ limits }: State, amounts: Amounts, missing: readonly string[]): readonly Warning[] {
  const inactive = amounts.filter(([name]) => !limits.get(name)?.settings.active);
  if (missing.length === 0 && inactive.length === 0) return NO_WARNINGS;
  return [
    ...missing.map((limit) => ({ code: 'LIMIT_MISSING', limit }) as const),
    ...inactive.map(([limit]) => ({ code: 'LIMIT_INACTIVE', limit }) as const),
  ];
}

export function refuse({ ledger }: Parts, session: Session, leaseId: string, refusal: Refusal): void {
  ledger.notify({ type: 'refused', sessionId: session.id, leaseId, refusal });
}

/** Refuses a waiter. Serve the wait queue afterwards. */
export function refuseTicket(parts: Parts, ticket: Ticket, refusal: Refusal): void {
  parts.tickets.remove(ticket);
  refuse(parts, ticket.session, ticket.waiter.leaseId, refusal);
  forgetIfIdle(parts, ticket.session.id);
}

/** Refuses a waiter whose timeout is over. Serve the wait queue afterwards. */
export function timeOut(parts: Parts, ticket: Ticket): void {
  const { leaseId, amounts, place } = ticket.waiter;
  const explanation = explain(parts.queue, leaseId, amounts, place, parts.ledger.nowMs);
  refuseTicket(parts, ticket, timedOut(ticket.request.timeoutMs ?? 0, explanation));
}
