/** What a server says of what came back with its journal. */
import type { Replica } from './replica/replica.ts';

/** A journal that is ahead of the clock by so much is told of. */
const AHEAD_MS = 60_000;

export function cameBack({ engine: { state }, durablePosition, aheadMs, nowMs }: Replica): readonly string[] {
  const counts = `${counted(state.limits.size, 'limit')} and ${counted(state.leases.size, 'lease')}`;
  const came = `Started from the journal at position ${durablePosition}: ${counts}. Whoever holds a lease has its time to live to come back.`;
  if (aheadMs <= AHEAD_MS) return [came];
  const [journal, clock] = [nowMs, nowMs - aheadMs].map((ms) => new Date(ms).toISOString());
  return [
    came,
    `The journal's last fact is of ${journal}, and this machine's clock says ${clock}: one of the two was wrong. Deadlines go on by the journal's time; times of day are shown by the clock. If the clock is wrong now, set it.`,
  ];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
