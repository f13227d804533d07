/** What people and programs see of limits, holders and waiters. All times are milliseconds since 1970. */
import type { Amounts, EngineMs, Holder, LimitMode } from './facts.ts';
import type { Parts } from './parts.ts';
import type { Place } from './place.ts';
import { freeSlots, takenSlots } from './usage.ts';

export interface LimitView {
  readonly name: string;
  readonly slots: number;
  readonly slotDecayPerSecond: number | null;
  readonly active: boolean;
  readonly mode: LimitMode;
  readonly overtakes: number;
  readonly maxWaiters: number | null;
  readonly description: string | null;
  /** Slots that are taken now; of a rate one that has come back in part is taken still. */
  readonly taken: number;
  /** Slots that are not, or only by leases that end as soon as somebody needs them; never below 0. */
  readonly free: number;
  /** Leases that hold some of it. */
  readonly holders: number;
  readonly waiters: number;
}

export interface SlotsOf {
  readonly name: string;
  readonly slots: number;
}

export interface HolderView {
  readonly leaseId: string;
  readonly token: number;
  readonly limits: readonly SlotsOf[];
  readonly holder: Holder;
  readonly sinceMs: EngineMs;
  /** When its slots are free for others unless it gives a sign of life; null: it does not expire. */
  readonly expiresAtMs: EngineMs | null;
}

export interface WaiterView {
  /** The lease id of the acquire. */
  readonly ticket: string;
  readonly limits: readonly SlotsOf[];
  readonly holder: Holder;
  readonly sinceMs: EngineMs;
  readonly priority: number;
  readonly place: Place;
  /** False while its client is away: it keeps its place and is not granted. */
  readonly connected: boolean;
  /** The limit it waits for, which lacks room for it; null while its client is away, a limit of it is paused, or the server has just started. */
  readonly blockedOn: string | null;
}

export function limitView({ ledger, queue, tickets }: Parts, name: string, nowMs: EngineMs): LimitView | undefined {
  const limit = ledger.state.limits.get(name);
  if (!limit) return undefined;
  const taken = takenSlots(limit, 0, nowMs);
  const free = freeSlots(limit, queue.limit(name).lapsed.slots, nowMs);
  return { name, ...limit.settings, taken, free, holders: limit.leases.size, waiters: tickets.countFor(name) };
}

export function* holderViews({ ledger, sessions }: Parts, name: string | null): Iterable<HolderView> {
  const leases = name === null ? ledger.state.leases : ledger.state.limits.get(name)?.leases;
  for (const lease of leases?.values() ?? []) {
    const { id: leaseId, token, holder, grantedAtMs: sinceMs } = lease;
    const session = sessions.get(lease.sessionId);
    const expiresAtMs = session ? sessions.deadlineOf(session) : null;
    yield { leaseId, token, limits: slotsOf(lease.amounts), holder, sinceMs, expiresAtMs };
  }
}

export function waiterViews({ tickets }: Parts, name: string | null): WaiterView[] {
  return tickets.waitingFor(name).map(({ session, request, joinedAtMs, waiter }) => ({
    ticket: waiter.leaseId,
    limits: slotsOf(waiter.amounts),
    holder: request.holder,
    sinceMs: joinedAtMs,
    priority: request.priority,
    place: waiter.place,
    connected: session.connected,
    blockedOn: waiter.lane?.parkedOn?.limit.name ?? null,
  }));
}

function slotsOf(amounts: Amounts): SlotsOf[] {
  return amounts.map(([name, slots]) => ({ name, slots }));
}
