/** Leases: released by their holders, and renewed. */
import type { Command } from './commands.ts';
import { forgetIfIdle, type Parts } from './parts.ts';
import { leaseLost, type Refusal } from './refusals.ts';
import { slotsIn } from './state.ts';

export function release(parts: Parts, command: Command & { readonly type: 'release' }): undefined {
  const { sessionId, leaseId, token, names, how } = command;
  const lease = parts.ledger.state.leases.get(leaseId);
  if (lease?.token !== token || lease.sessionId !== (sessionId ?? lease.sessionId)) return;
  const some = names?.filter((name) => slotsIn(lease.amounts, name) !== undefined);
  if (some?.length === 0) return;
  parts.leases.release(lease, how, some === undefined || some.length === lease.amounts.length ? null : some);
  forgetIfIdle(parts, lease.sessionId);
}

export function renew(parts: Parts, leaseId: string, ttlMs: number | null): Refusal | undefined {
  const { ledger, sessions, leases } = parts;
  const lease = ledger.state.leases.get(leaseId);
  const session = lease && sessions.get(lease.sessionId);
  if (!lease || session?.lifeline !== 'renewal') return leaseLost(leaseId);
  if (session.lapsed && !leases.makeWhole(lease)) {
    leases.expire(lease);
    forgetIfIdle(parts, session.id);
    return leaseLost(leaseId);
  }
  sessions.revive(session);
  sessions.setTtl(session, ttlMs);
  ledger.record({ type: 'lease.renewed', at: ledger.nowMs, leaseId, ttlMs });
  sessions.setDeadline(session, ledger.nowMs, ttlMs);
  return undefined;
}
