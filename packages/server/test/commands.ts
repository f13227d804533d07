/** Commands for a replica without a client, and how they end. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Command } from '@slotkeeper/engine';
import type { Outcome } from '../src/replica/outcome.ts';

export function ensure(name: string): Command {
  return { type: 'limit.ensure', name, id: randomUUID(), patch: { slots: 1 } };
}

export function open(
  sessionId: string,
  waits: readonly AcquireRequest[] = [],
): Extract<Command, { type: 'session.open' }> {
  const session = { sessionId, connection: 1, lifeline: 'heartbeat', ttlMs: 5_000, origin: 'session' } as const;
  return { type: 'session.open', ...session, leases: [], waits };
}

export function acquire(sessionId: string, leaseId: string, limit: string): Command {
  return { type: 'acquire', sessionId, request: requestFor(leaseId, limit) };
}

export function requestFor(leaseId: string, limit: string): AcquireRequest {
  return {
    leaseId,
    amounts: [[limit, 1]],
    timeoutMs: null,
    priority: 0,
    holder: { type: null, id: null, label: null, host: null, pid: null },
    onMissing: 'error',
    place: null,
    ratesOnly: false,
    refunds: false,
    skipInactive: false,
    limitIds: [],
  };
}

/** No host gives it: the engine finds an invariant broken. */
export const BROKEN: Command = acquire('nobody', 'broken', 'nowhere');

/** `durable`, the code of the refusal, or `lost`. */
export function endOf(outcome: Outcome): string {
  return outcome.is === 'durable' ? (outcome.refusal?.code ?? 'durable') : 'lost';
}
