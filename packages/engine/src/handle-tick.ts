/** Handles what has become due, in the order that deadlines.ts states. */
import { lapseOrEnd } from './handle-sessions.ts';
import type { Lease } from './lease-table.ts';
import { serveQueue, timeOut } from './outcomes.ts';
import type { Parts } from './parts.ts';

/** Call as each step begins. Grants waiters for whom enough slots of a rate have come back by themselves. */
export function serveGrownRoom(parts: Parts): void {
  const { deadlines, queue, ledger } = parts;
  let due = deadlines.take('room', ledger.nowMs);
  if (!due) return;
  for (; due; due = deadlines.take('room', ledger.nowMs)) queue.roomGained(due.of);
  serveQueue(parts);
}

export function tick(parts: Parts): undefined {
  const { deadlines, queue, tickets, ledger } = parts;
  if (deadlines.take('hold-back', ledger.nowMs)) queue.endHoldBack();
  lapseOverdue(parts);
  serveQueue(parts);
  for (;;) {
    const due = deadlines.take('timeout', ledger.nowMs);
    if (!due) return;
    timeOut(parts, tickets.known(due.of));
    // A waiter behind it may fit now, and is granted before its own timeout is handled.
    serveQueue(parts);
  }
}

/** Sessions lapse or end. Then their leases lapse, in the order in which grants will end them. */
function lapseOverdue(parts: Parts): void {
  const { sessions, leases, ledger } = parts;
  const lapsing: { readonly deadlineMs: number; readonly lease: Lease }[] = [];
  for (let session = sessions.takeOverdue(ledger.nowMs); session; session = sessions.takeOverdue(ledger.nowMs)) {
    const deadlineMs = session.deadlineMs as number;
    for (const lease of lapseOrEnd(parts, session)) lapsing.push({ deadlineMs, lease });
  }
  lapsing.sort((a, b) => a.deadlineMs - b.deadlineMs || a.lease.token - b.lease.token);
  // A session may be overdue twice in one tick: then its leases have ended already.
  for (const { lease } of lapsing) if (leases.stateOf(lease.id) === 'held') leases.lapse(lease);
}
