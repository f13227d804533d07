/** Sessions and their deadlines. A session's deadline is that of all its leases. */

import type { Lifeline, Origin } from './facts.ts';
import { Heap } from './heap.ts';
import type { Lease } from './state.ts';

export interface Session<Ticket> {
  readonly id: string;
  readonly lifeline: Lifeline;
  /** That of its leases. */
  readonly origin: Origin;
  /** Null: it does not expire. */
  ttlMs: number | null;
  /** The number of its last connection; 0 before the first. */
  connection: number;
  connected: boolean;
  /** Not heard of in time: its leases' slots are free for others, and it ends at its next deadline. */
  lapsed: boolean;
  /** When it lapses, or ends if it has; on the lease clock. Null: never. */
  deadlineMs: number | null;
  readonly leases: Map<string, Lease>;
  readonly waiters: Set<Ticket>;
  /** When the deadline is looked at next: at it or before, since signs of life move the deadline alone. */
  dueMs: number;
  inDue: number;
}

/**
 * All sessions, and a clock for their deadlines that stands still while the host could not run: the server's own downtime
 * counts against no lease.
 */
export class Sessions<Ticket> {
  readonly #sessions = new Map<string, Session<Ticket>>();
  readonly #due: Heap<'inDue', Session<Ticket>> = new Heap('inDue', (a, b) => a.dueMs < b.dueMs);
  #stalledMs = 0;

  get size(): number {
    return this.#sessions.size;
  }

  get(id: string): Session<Ticket> | undefined {
    return this.#sessions.get(id);
  }

  [Symbol.iterator](): IterableIterator<Session<Ticket>> {
    return this.#sessions.values();
  }

  add(id: string, lifeline: Lifeline, ttlMs: number | null, origin: Origin): Session<Ticket> {
    const session: Session<Ticket> = {
      id,
      lifeline,
      origin,
      ttlMs,
      connection: 0,
      connected: false,
      lapsed: false,
      deadlineMs: null,
      leases: new Map(),
      waiters: new Set(),
      dueMs: 0,
      inDue: -1,
    };
    this.#sessions.set(id, session);
    return session;
  }

  delete(session: Session<Ticket>): void {
    this.#sessions.delete(session.id);
    if (this.#due.has(session)) this.#due.remove(session);
  }

  stalled(byMs: number): void {
    this.#stalledMs += byMs;
  }

  /** `inMs` from `nowMs`, a time of the engine; null: never. */
  setDeadline(session: Session<Ticket>, nowMs: number, inMs: number | null): void {
    session.deadlineMs = inMs === null ? null : this.#leaseClock(nowMs) + inMs;
    this.#schedule(session);
  }

  /** Moves its deadline by `byMs`. */
  prolong(session: Session<Ticket>, byMs: number): void {
    if (session.deadlineMs === null) throw new Error('a session has no deadline to prolong');
    session.deadlineMs += byMs;
    this.#schedule(session);
  }

  /** The session's deadline as a time of the engine, if the host does not stall before. */
  deadlineOf(session: Session<Ticket>): number | null {
    return session.deadlineMs === null ? null : session.deadlineMs + this.#stalledMs;
  }

  /** Takes out the session whose deadline is the first to have come; undefined when none has. */
  nextOverdue(nowMs: number): Session<Ticket> | undefined {
    const clock = this.#leaseClock(nowMs);
    for (let next = this.#due.peek(); next && next.dueMs <= clock; next = this.#due.peek()) {
      if (next.deadlineMs !== null && next.deadlineMs <= clock) {
        this.#due.remove(next);
        return next;
      }
      if (next.deadlineMs === null) {
        this.#due.remove(next);
      } else {
        next.dueMs = next.deadlineMs;
        this.#due.moved(next);
      }
    }
    return undefined;
  }

  /** When a deadline may come, as a time of the engine; null: none is set. */
  get wakeAtMs(): number | null {
    const next = this.#due.peek();
    return next ? next.dueMs + this.#stalledMs : null;
  }

  #schedule(session: Session<Ticket>): void {
    if (session.deadlineMs === null) return;
    if (!this.#due.has(session)) {
      session.dueMs = session.deadlineMs;
      this.#due.push(session);
    } else if (session.deadlineMs < session.dueMs) {
      session.dueMs = session.deadlineMs;
      this.#due.moved(session);
    }
  }

  #leaseClock(nowMs: number): number {
    return nowMs - this.#stalledMs;
  }
}
