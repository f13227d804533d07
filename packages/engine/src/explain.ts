/** Why an acquire waits: the same answer for the timeout error, the API and the command line. */
import type { Amounts, EngineMs, Holder } from './facts.ts';
import type { Lease } from './lease-table.ts';
import type { Lane, LimitQueue } from './limit-queue.ts';
import type { Limit } from './limit-table.ts';
import { isBefore, type Place } from './place.ts';
import { slotsIn } from './state.ts';
import { untrackedSlots } from './untracked.ts';
import { freeSlots, room } from './usage.ts';
import type { WaitQueue } from './wait-queue.ts';

export interface Explanation {
  /** The acquire's lease id. */
  readonly ticket: string;
  /** 1 for the first in the wait queue of the limits it lacks. */
  readonly position: number;
  /** Connected waiters before it for the limits it lacks. */
  readonly ahead: number;
  readonly lacking: readonly Lack[];
  /** A sentence for people. */
  readonly text: string;
}

export interface Lack {
  readonly name: string;
  readonly wanted: number;
  /** Slots free now, including those that waiters ahead reserve. */
  readonly free: number;
  /** The longest holders first, ten at the most. */
  readonly heldBy: readonly {
    readonly leaseId: string;
    readonly holder: Holder;
    readonly slots: number;
    readonly since: EngineMs;
  }[];
}

const HOLDERS_SHOWN = 10;
/** In the sentence. */
const HOLDERS_NAMED = 3;

/** Explains an acquire that is not granted. It looks at each lane of its limits, and counts the waiters ahead without a scan. */
export function explain(
  queue: WaitQueue,
  ticket: string,
  amounts: Amounts,
  place: Place,
  nowMs: EngineMs,
): Explanation {
  const wanted = amounts.map(([name, slots]) => ({ at: queue.limit(name), slots }));
  const lanesAhead = new Set<Lane>();
  const lacking = wanted.filter(({ at, slots }) => {
    const lanes = [...at.lanes].filter(({ head }) => isBefore(head.place, place));
    for (const lane of lanes) lanesAhead.add(lane);
    return lanes.length > 0 || slots > room(at.limit, at.lapsed.slots, nowMs) || at.limit.settings.mode !== 'open';
  });
  let ahead = 0;
  for (const lane of lanesAhead) ahead += lane.countBefore(place);
  return {
    ticket,
    position: ahead + 1,
    ahead,
    lacking: lacking.map(({ at, slots }) => lack(at, slots, nowMs)),
    text: sentence(lacking, ahead, nowMs),
  };
}

function lack({ limit, lapsed }: LimitQueue, wanted: number, nowMs: EngineMs): Lack {
  const longest: Lease[] = [];
  for (const lease of limit.leases) {
    if (longest.length === HOLDERS_SHOWN) break;
    longest.push(lease);
  }
  return {
    name: limit.name,
    wanted,
    free: freeSlots(limit, lapsed.slots, nowMs),
    heldBy: longest.map((lease) => ({
      leaseId: lease.id,
      holder: lease.holder,
      slots: slotsIn(lease.amounts, limit.name) ?? 0,
      since: lease.grantedAtMs,
    })),
  };
}

/** The longest holders, and how many more there are. */
function heldBy({ leases }: Limit, nowMs: EngineMs): string {
  const named: string[] = [];
  for (const { holder, grantedAtMs } of leases) {
    if (named.length === HOLDERS_NAMED) break;
    named.push(`${who(holder)} for ${span(nowMs - grantedAtMs)}`);
  }
  const more = leases.size - named.length;
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${more} more`;
}

/** As it calls itself, then where it runs. */
function who({ type, id, label, host, pid }: Holder): string {
  const name = label ?? [type, id].filter((part) => part !== null).join(' ');
  const where = [host, pid === null ? null : `(${pid})`].filter((part) => part !== null).join(' ');
  if (name === '') return where === '' ? 'a holder without a name' : where;
  return where === '' ? `'${name}'` : `'${name}' on ${where}`;
}

function span(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 600) return `${Math.round(seconds)} s`;
  return seconds < 36_000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

function sentence(lacking: readonly { at: LimitQueue; slots: number }[], ahead: number, nowMs: EngineMs): string {
  if (lacking.length === 0) return 'it has just become free, or the server is about to start granting.';
  const parts = lacking.map(({ at: { limit, lapsed }, slots }) => {
    if (limit.settings.mode !== 'open') return `'${limit.name}' is ${limit.settings.mode}`;
    const free = freeSlots(limit, lapsed.slots, nowMs);
    if (limit.usage.kind === 'rate') {
      const { slotDecayPerSecond } = limit.usage;
      return `wants ${slots} of '${limit.name}', of which ${free} of ${limit.settings.slots} are free (${Number(slotDecayPerSecond.toPrecision(3))} come back a second)`;
    }
    const untracked = untrackedSlots(limit, nowMs);
    const holders = limit.leases.size === 0 ? 'nobody holds a lease' : `held by ${heldBy(limit, nowMs)}`;
    const others = untracked > 0 ? `; ${untracked} without a lease` : '';
    return `wants ${slots} of '${limit.name}', of which ${free} of ${limit.settings.slots} are free (${holders}${others})`;
  });
  const others = ahead === 0 ? '' : ahead === 1 ? ', 1 waiter is ahead' : `, ${ahead} waiters are ahead`;
  return `${parts.join('; ')}${others}.`;
}
