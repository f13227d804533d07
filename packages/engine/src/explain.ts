/** Why an acquire waits: the same answer for the timeout error, the API and the command line. */
import type { Place } from './commands.ts';
import type { Amounts, EngineMs, Holder } from './facts.ts';
import { freeSlots, room, slotsWithoutLease } from './level.ts';
import { type Gate, isBefore, type Lane, type Line, type Waiter } from './line.ts';
import { slotsIn } from './state.ts';

export interface Explanation {
  /** The acquire's lease id. */
  readonly ticket: string;
  /** 1 for the first in line for the limits it lacks. */
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
  /** Free now, whoever may come before; with waiters ahead that is not enough. */
  readonly free: number;
  /** The longest holders first, ten at the most. */
  readonly heldBy: readonly {
    readonly leaseId: string;
    readonly holder: Holder;
    readonly slots: number;
    readonly since: EngineMs;
  }[];
}

/** Of an acquire that is not granted. It looks at each lane of its limits and at each waiter ahead, and not at those behind. */
export function explain<W extends Waiter<W>>(
  line: Line<W>,
  ticket: string,
  amounts: Amounts,
  place: Place,
  nowMs: EngineMs,
): Explanation {
  const gates = amounts.map(([name, slots]) => ({ gate: line.gate(name), slots }));
  const isAhead = (waiter: W): boolean => isBefore(waiter.place, place);
  const lanesAhead = new Set<Lane<W>>();
  const lacking = gates.filter(({ gate, slots }) => {
    const lanes = [...gate.lanes].filter((lane) => isAhead(lane.queue.peek() as W));
    for (const lane of lanes) lanesAhead.add(lane);
    return lanes.length > 0 || slots > room(gate.limit, gate.lapsedSlots, nowMs) || gate.limit.settings.mode !== 'open';
  });
  let ahead = 0;
  for (const lane of lanesAhead) ahead += lane.queue.countBefore(isAhead);
  return {
    ticket,
    position: ahead + 1,
    ahead,
    lacking: lacking.map(({ gate, slots }) => lack(gate, slots, nowMs)),
    text: sentence(lacking, ahead, nowMs),
  };
}

function lack<W extends Waiter<W>>(gate: Gate<W>, wanted: number, nowMs: EngineMs): Lack {
  const { limit } = gate;
  const longest = [...limit.leases.values()].slice(0, 10);
  return {
    name: limit.name,
    wanted,
    free: freeSlots(limit, gate.lapsedSlots, nowMs),
    heldBy: longest.map((lease) => ({
      leaseId: lease.id,
      holder: lease.holder,
      slots: slotsIn(lease.amounts, limit.name) ?? 0,
      since: lease.grantedAtMs,
    })),
  };
}

function sentence<W extends Waiter<W>>(
  lacking: readonly { gate: Gate<W>; slots: number }[],
  ahead: number,
  nowMs: EngineMs,
): string {
  if (lacking.length === 0) return 'it has just become free, or the server is about to start granting.';
  const parts = lacking.map(({ gate: { limit, lapsedSlots }, slots }) => {
    if (limit.settings.mode !== 'open') return `'${limit.name}' is ${limit.settings.mode}`;
    const free = freeSlots(limit, lapsedSlots, nowMs);
    const { slotDecayPerSecond } = limit.settings;
    if (slotDecayPerSecond !== null) {
      return `wants ${slots} of '${limit.name}', of which ${free} of ${limit.settings.slots} are free (${Number(slotDecayPerSecond.toPrecision(3))} come back a second)`;
    }
    const alone = slotsWithoutLease(limit, nowMs);
    const holders = limit.leases.size === 1 ? '1 holder has the rest' : `${limit.leases.size} holders have the rest`;
    const others = alone > 0 ? `, ${alone} of it without a lease` : '';
    return `wants ${slots} of '${limit.name}', of which ${free} of ${limit.settings.slots} are free (${holders}${others})`;
  });
  const others = ahead === 0 ? '' : ahead === 1 ? ', 1 waiter is ahead' : `, ${ahead} waiters are ahead`;
  return `${parts.join('; ')}${others}.`;
}
