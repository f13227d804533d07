/** How much of a limit is taken, and by whom, as Prefect's API shows it. */
import { type Lease, type Limit, takenSlots } from '@slotkeeper/engine';
import type { Replica } from '../replica.ts';

/** Whole slots: of a rate, one that has come back in part is taken still. What expired leases held is free, also while nobody needs it. */
export function activeSlots({ engine, nowMs }: Replica, limit: Limit): number {
  const taken = takenSlots(limit, nowMs);
  let expired = 0;
  for (const lease of limit.leases.values()) {
    if (!engine.isValid(lease.id, lease.token)) expired += lease.amounts.get(limit.name) ?? 0;
  }
  // Of a rate, part of what they held has come back already.
  return Math.max(taken - expired, Math.min(taken, limit.held - expired));
}

/** Task runs that hold the limit, one entry a lease, in the order of their grants. */
export function taskRunsOn({ engine }: Replica, limit: Limit): string[] {
  return [...limit.leases.values()]
    .filter(({ id, token }) => engine.isValid(id, token))
    .map(taskRunOf)
    .filter((id) => id !== null);
}

export function taskRunOf({ holder }: Lease): string | null {
  return holder.type === 'task_run' ? holder.id : null;
}
