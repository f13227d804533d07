/** What a decrement frees: it names tags and a task run, not a lease. */
import { type Lease, type Limit, slotsIn } from '@slotkeeper/engine';
import { taskRunOf } from './task-runs.ts';

export interface Release {
  readonly leaseId: string;
  readonly token: number;
  readonly names: readonly string[];
}

/** The task run's lease on exactly these limits, if it has one; else, of each limit, the oldest of its leases there. */
export function whatToRelease(limits: readonly Limit[], taskRunId: string): Release[] {
  const oldest = limits.map((limit) => ofTaskRun(limit, taskRunId));
  const [onFirst = []] = oldest;
  const exact = onFirst.find(
    ({ amounts }) => amounts.length === limits.length && limits.every((l) => slotsIn(amounts, l.name) !== undefined),
  );
  if (exact) return [{ leaseId: exact.id, token: exact.token, names: exact.amounts.map(([name]) => name) }];
  const releases = new Map<string, Release>();
  for (const [i, [lease]] of oldest.entries()) {
    if (!lease) continue;
    const names = releases.get(lease.id)?.names ?? [];
    releases.set(lease.id, { leaseId: lease.id, token: lease.token, names: [...names, limits[i]!.name] });
  }
  return [...releases.values()];
}

/** In the order of their grants. Only those over REST: a client of the session protocol gives back its own, and would not be told. */
function ofTaskRun(limit: Limit, taskRunId: string): Lease[] {
  return [...limit.leases].filter((lease) => lease.lifeline === 'renewal' && taskRunOf(lease) === taskRunId);
}
