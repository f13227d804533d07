/** The acquires that wait: each has a ticket, which knows its session, its waiter in the line, and its timeout. */
import type { AcquireRequest } from './commands.ts';
import type { EngineMs } from './facts.ts';
import { Heap } from './heap.ts';
import { isBefore, type Line, type Waiter } from './line.ts';
import type { Session } from './sessions.ts';

/** `amounts` are what it asks for of limits that exist: less than the request where missing names are allowed. */
export interface Ticket extends Waiter<Ticket> {
  readonly session: Session<Ticket>;
  readonly request: AcquireRequest;
  /** Names left out since no limit has them. */
  readonly missing: readonly string[];
  readonly joinedAtMs: EngineMs;
  /** Infinity: it waits for ever. */
  readonly deadlineMs: EngineMs;
  inTimeouts: number;
}

export type NewTicket = Pick<Ticket, 'session' | 'request' | 'missing' | 'amounts' | 'place' | 'deadlineMs'> & {
  /** Of one that goes on where it was; otherwise they are counted from now. */
  readonly grantsAsItJoined?: readonly number[];
};

export class Tickets {
  readonly #line: Line<Ticket>;
  readonly #byLease = new Map<string, Ticket>();
  readonly #timeouts: Heap<'inTimeouts', Ticket> = new Heap('inTimeouts', (a, b) =>
    a.deadlineMs === b.deadlineMs ? isBefore(a.place, b.place) : a.deadlineMs < b.deadlineMs,
  );

  constructor(line: Line<Ticket>) {
    this.#line = line;
  }

  get size(): number {
    return this.#byLease.size;
  }

  /** When the next of them times out; null: none does. */
  get wakeAtMs(): EngineMs | null {
    return this.#timeouts.peek()?.deadlineMs ?? null;
  }

  get(lease: string): Ticket | undefined {
    return this.#byLease.get(lease);
  }

  /** Those that wait for a limit, in the order of the line; with null all. It looks at every ticket. */
  waitingFor(name: string | null): Ticket[] {
    return [...this.#byLease.values()]
      .filter(({ amounts }) => name === null || amounts.some(([other]) => other === name))
      .sort((a, b) => (isBefore(a.place, b.place) ? -1 : 1));
  }

  /** A ticket whose session is connected joins the line, which is to be settled afterwards; another keeps its place. */
  add(ticket: NewTicket): Ticket {
    const { session, request, missing, amounts, place, deadlineMs, grantsAsItJoined = [] } = ticket;
    const joinedAtMs = place.atMs + request.priority * 1_000;
    const added: Ticket = {
      session,
      request,
      missing,
      amounts,
      place,
      joinedAtMs,
      deadlineMs,
      grantsAsItJoined,
      lane: null,
      inLane: -1,
      inTimeouts: -1,
    };
    this.#byLease.set(request.leaseId, added);
    session.waiters.add(added);
    if (deadlineMs !== Number.POSITIVE_INFINITY) this.#timeouts.push(added);
    for (const [name] of amounts) this.#line.gate(name).waiters += 1;
    if (session.connected && request.timeoutMs === 0) this.#line.try(added);
    else if (session.connected) this.#line.join(added);
    return added;
  }

  /** The line is to be settled afterwards. */
  remove(ticket: Ticket): void {
    this.#line.leave(ticket);
    this.#byLease.delete(ticket.request.leaseId);
    ticket.session.waiters.delete(ticket);
    if (this.#timeouts.has(ticket)) this.#timeouts.remove(ticket);
    for (const [name] of ticket.amounts) this.#line.gate(name).waiters -= 1;
  }

  /** Of those whose time is over, the first. */
  nextOverdue(nowMs: EngineMs): Ticket | undefined {
    const next = this.#timeouts.peek();
    return next && next.deadlineMs <= nowMs ? next : undefined;
  }
}
