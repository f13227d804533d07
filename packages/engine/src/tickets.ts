/** The acquires that wait: each has a ticket, with its session, its waiter in the wait queue, and its timeout. */
import type { AcquireRequest } from './commands.ts';
import { type Deadline, type Deadlines, newDeadline } from './deadlines.ts';
import type { Amounts, EngineMs } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import { newWaiter, type Waiter } from './limit-queue.ts';
import { isBefore, type Place } from './place.ts';
import type { Session } from './sessions.ts';
import type { WaitQueue } from './wait-queue.ts';

export interface Ticket {
  readonly session: Session;
  readonly request: AcquireRequest;
  /** Names left out since no limit has them. */
  readonly missing: readonly string[];
  readonly joinedAtMs: EngineMs;
  /** Null: it waits for ever. */
  readonly timeout: Deadline | null;
  /** Its `amounts` are what is asked for of limits that exist: less than the request where missing names are allowed. */
  readonly waiter: Waiter;
}

export interface NewTicket {
  readonly session: Session;
  readonly request: AcquireRequest;
  readonly missing: readonly string[];
  readonly amounts: Amounts;
  readonly place: Place;
  /** Null: it waits for ever. */
  readonly timeoutAtMs: EngineMs | null;
  /** Of one that waits on where it was; otherwise they are counted from now. */
  readonly grantsAsItJoined?: readonly number[];
}

const NONE: ReadonlySet<Ticket> = new Set();

export class Tickets {
  readonly #queue: WaitQueue;
  readonly #deadlines: Deadlines;
  readonly #byLease = new Map<string, Ticket>();
  readonly #bySession = new Map<string, Set<Ticket>>();
  readonly #byLimit = new Map<string, Set<Ticket>>();

  constructor(queue: WaitQueue, deadlines: Deadlines) {
    this.#queue = queue;
    this.#deadlines = deadlines;
  }

  get size(): number {
    return this.#byLease.size;
  }

  get(leaseId: string): Ticket | undefined {
    return this.#byLease.get(leaseId);
  }

  /** The ticket of a waiter that the wait queue or a deadline names. */
  known(leaseId: string): Ticket {
    const ticket = this.#byLease.get(leaseId);
    if (!ticket) throw new BrokenInvariant(`waiter ${leaseId} has no ticket`);
    return ticket;
  }

  ofSession({ id }: Session): ReadonlySet<Ticket> {
    return this.#bySession.get(id) ?? NONE;
  }

  /** How many wait for a limit, those whose client is away included. */
  countFor(name: string): number {
    return this.#byLimit.get(name)?.size ?? 0;
  }

  /** Those that wait for a limit, in the order of the wait queue; with null all. */
  waitingFor(name: string | null): Ticket[] {
    const tickets = name === null ? this.#byLease.values() : (this.#byLimit.get(name) ?? NONE);
    return [...tickets].sort((a, b) => (isBefore(a.waiter.place, b.waiter.place) ? -1 : 1));
  }

  /** A ticket whose session is connected joins the wait queue, which is to be served afterwards; another keeps its position. */
  add({ session, request, missing, amounts, place, timeoutAtMs, grantsAsItJoined }: NewTicket): Ticket {
    const { leaseId, priority } = request;
    const ticket: Ticket = {
      session,
      request,
      missing,
      joinedAtMs: place.atMs + priority * 1_000,
      timeout: timeoutAtMs === null ? null : newDeadline('timeout', leaseId, place),
      waiter: newWaiter(leaseId, amounts, place, grantsAsItJoined),
    };
    this.#byLease.set(leaseId, ticket);
    put(this.#bySession, session.id, ticket);
    for (const [name] of amounts) put(this.#byLimit, name, ticket);
    if (ticket.timeout && timeoutAtMs !== null) this.#deadlines.set(ticket.timeout, timeoutAtMs);
    if (session.connected && request.timeoutMs === 0) this.#queue.try(ticket.waiter);
    else if (session.connected) this.#queue.join(ticket.waiter);
    return ticket;
  }

  /** The wait queue is to be served afterwards. */
  remove(ticket: Ticket): void {
    const { session, timeout, waiter } = ticket;
    this.#queue.leave(waiter);
    this.#byLease.delete(waiter.leaseId);
    drop(this.#bySession, session.id, ticket);
    for (const [name] of waiter.amounts) drop(this.#byLimit, name, ticket);
    if (timeout) this.#deadlines.cancel(timeout);
  }
}

function put(index: Map<string, Set<Ticket>>, key: string, ticket: Ticket): void {
  const there = index.get(key);
  if (there) there.add(ticket);
  else index.set(key, new Set([ticket]));
}

function drop(index: Map<string, Set<Ticket>>, key: string, ticket: Ticket): void {
  const there = index.get(key);
  if (!there?.delete(ticket)) throw new BrokenInvariant(`ticket ${ticket.waiter.leaseId} is not where '${key}' has it`);
  if (there.size === 0) index.delete(key);
}
