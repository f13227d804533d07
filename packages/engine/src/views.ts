/** What people and programs see of limits, holders and waiters. All times are milliseconds since 1970. */
import type { Amounts, EngineMs, Holder, LimitMode } from './facts.ts';
import type { Limit } from './limit-table.ts';
import type { Parts } from './parts.ts';
import type { Place, Position } from './place.ts';
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
  /** Slots that are taken now. A rate's slot that has come back only in part is still taken. */
  readonly taken: number;
  /** Slots that are free now, those of lapsed leases included; never below 0. */
  readonly free: number;
  /** How many leases hold slots of it. */
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
  /**
   * The limit that lacks room for it. Null while its client is away, one of its limits is paused, or the server has just
   * started.
   */
  readonly blockedOn: string | null;
}

export function limitView(parts: Parts, name: string, nowMs: EngineMs): LimitView | undefined {
  const limit = parts.ledger.state.limits.get(name);
  return limit && viewOf(parts, limit, nowMs);
}

function viewOf({ queue, tickets }: Parts, limit: Limit, nowMs: EngineMs): LimitView {
  const { name } = limit;
  const taken = takenSlots(limit, 0, nowMs);
  const free = freeSlots(limit, queue.limit(name).lapsed.slots, nowMs);
  return { name, ...limit.settings, taken, free, holders: limit.leases.size, waiters: tickets.countFor(name) };
}

/** `after`: the name after which the page begins. */
export function limitViews(
  parts: Parts,
  prefix: string,
  after: string | null,
  max: number,
  nowMs: EngineMs,
): LimitView[] {
  return page(parts.ledger.state.limits.named(prefix, after), max, (limit) => viewOf(parts, limit, nowMs));
}

/** `after`: the token after which the page begins; 0: at the first. */
export function holderViews(
  { ledger, sessions }: Parts,
  name: string | null,
  after: number,
  max: number,
): HolderView[] {
  const leases = name === null ? ledger.state.leases : ledger.state.limits.get(name)?.leases;
  return page(leases?.after(after) ?? [], max, ({ id: leaseId, token, amounts, holder, grantedAtMs, sessionId }) => {
    const session = sessions.get(sessionId);
    const expiresAtMs = session ? sessions.deadlineOf(session) : null;
    return { leaseId, token, limits: slotsOf(amounts), holder, sinceMs: grantedAtMs, expiresAtMs };
  });
}

/** `after`: the waiter after which the page begins, whether or not it is still there. */
export function waiterViews(
  { tickets }: Parts,
  name: string | null,
  after: Position | null,
  max: number,
): WaiterView[] {
  return page(tickets.waitingFor(name, after), max, ({ session, request, joinedAtMs, waiter }) => ({
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

function page<T, V>(items: Iterable<T>, max: number, view: (item: T) => V): V[] {
  const views: V[] = [];
  for (const item of items) {
    if (views.length >= max) break;
    views.push(view(item));
  }
  return views;
}

function slotsOf(amounts: Amounts): SlotsOf[] {
  return amounts.map(([name, slots]) => ({ name, slots }));
}
