/** The acquires that wait: each has a ticket, with its session, its waiter in the wait queue, and its timeout. */
import type { AcquireRequest } from './commands.ts';
import { type Deadline, type Deadlines, newDeadline } from './deadlines.ts';
import type { Amounts, EngineMs } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import { newWaiter, type Waiter } from './limit-queue.ts';
import { type Order, Ordered } from './ordered.ts';
import { comparePositions, type Place, type Position } from './place.ts';
import { RecurringMap } from './recurring-map.ts';
import type { Session, Sessions } from './sessions.ts';
import type { WaitQueue } from './wait-queue.ts';
import { weightOf } from './weight.ts';

export interface Ticket {
  readonly session: Session;
  readonly request: AcquireRequest;
  /** Names that were left out since no limit has them. */
  readonly missing: readonly string[];
  readonly joinedAtMs: EngineMs;
  /** Null: the acquire waits for ever. */
  readonly timeout: Deadline | null;
  /** Its `amounts` are the request's, without names that were left out. */
  readonly waiter: Waiter;
}

export interface NewTicket {
  readonly session: Session;
  readonly request: AcquireRequest;
  readonly missing: readonly string[];
  readonly amounts: Amounts;
  readonly place: Place;
  /** Null: the acquire waits for ever. */
  readonly timeoutAtMs: EngineMs | null;
  /** Given for a waiter that waits on at its place. Otherwise grants are counted from now. */
  readonly grantsAsItJoined?: readonly number[];
}

const NONE: ReadonlySet<Ticket> = new Set();

type TicketsInOrder = Ordered<Position, Ticket>;

const BY_POSITION: Order<Position, Ticket> = { key: ({ waiter }) => waiter, compare: comparePositions };

export class Tickets {
  readonly #queue: WaitQueue;
  readonly #sessions: Sessions;
  readonly #deadlines: Deadlines;
  readonly #byLease = new Map<string, Ticket>();
  readonly #bySession = new RecurringMap<string, Set<Ticket>>();
  readonly #inOrder = new Ordered(BY_POSITION);
  readonly #byLimit = new RecurringMap<string, TicketsInOrder>();

  constructor(queue: WaitQueue, deadlines: Deadlines, sessions: Sessions) {
    this.#queue = queue;
    this.#sessions = sessions;
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

  /** The tickets of a limit, with null all, in the order of the wait queue. A walk skips tickets that leave meanwhile. */
  waitingFor(name: string | null, after: Position | null = null): Iterable<Ticket> {
    const tickets = name === null ? this.#inOrder : this.#byLimit.get(name);
    return (after ? tickets?.after(after) : tickets) ?? NONE;
  }

  /** Adds a ticket. If its session is connected its waiter joins the wait queue: serve that afterwards. */
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
    this.#sessions.weigh(session, weightOf(request.amounts, request.holder));
    this.#inOrder.add(ticket);
    for (const [name] of amounts) this.#addTo(name, ticket);
    if (ticket.timeout && timeoutAtMs !== null) this.#deadlines.set(ticket.timeout, timeoutAtMs);
    if (session.connected && request.timeoutMs === 0) this.#queue.try(ticket.waiter);
    else if (session.connected) this.#queue.join(ticket.waiter);
    return ticket;
  }

  /** Removes a ticket. Serve the wait queue afterwards. */
  remove(ticket: Ticket): void {
    const { session, request, timeout, waiter } = ticket;
    this.#queue.leave(waiter);
    this.#byLease.delete(waiter.leaseId);
    drop(this.#bySession, session.id, ticket);
    this.#sessions.weigh(session, -weightOf(request.amounts, request.holder));
    this.#inOrder.remove(ticket);
    for (const [name] of waiter.amounts) this.#removeFrom(name, ticket);
    if (timeout) this.#deadlines.cancel(timeout);
  }

  #addTo(name: string, ticket: Ticket): void {
    let tickets = this.#byLimit.get(name);
    if (!tickets) {
      tickets = new Ordered(BY_POSITION);
      this.#byLimit.set(name, tickets);
    }
    tickets.add(ticket);
  }

  #removeFrom(name: string, ticket: Ticket): void {
    const tickets = this.#byLimit.get(name);
    if (!tickets) throw new BrokenInvariant(`ticket ${ticket.waiter.leaseId} is not where '${name}' has it`);
    tickets.remove(ticket);
    if (tickets.size === 0) this.#byLimit.delete(name);
  }
}

function put(index: RecurringMap<string, Set<Ticket>>, key: string, ticket: Ticket): void {
  const there = index.get(key);
  if (there) there.add(ticket);
  else index.set(key, new Set([ticket]));
}

function drop(index: RecurringMap<string, Set<Ticket>>, key: string, ticket: Ticket): void {
  const there = index.get(key);
  if (!there?.delete(ticket)) throw new BrokenInvariant(`ticket ${ticket.waiter.leaseId} is not where '${key}' has it`);
  if (there.size === 0) index.delete(key);
}
