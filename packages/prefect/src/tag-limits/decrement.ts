/** What a decrement frees: it names tags and a task run, not a lease. */
import { type Limit, type State, slotsIn } from '@slotkeeper/engine';
import { taskRunOf } from './task-runs.ts';

export interface Release {
  readonly leaseId: string;
  readonly token: number;
  readonly names: readonly string[];
}

/** The task run's lease on exactly these limits, if it has one. Otherwise its oldest lease on each of the limits. */
export function whatToRelease({ leases }: State, limits: readonly Limit[], taskRunId: string): Release[] {
  // `ofHolder` has leases over REST alone. A client of the session protocol releases its own, and would not be notified.
  const own = [...leases.ofHolder(taskRunId)].filter((lease) => taskRunOf(lease) !== null);
  const oldest = limits.map(({ name }) => own.filter(({ amounts }) => slotsIn(amounts, name) !== undefined));
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
