/** Sessions and their deadlines. A session's deadline is that of all its leases. */
import { type Deadline, type Deadlines, newDeadline } from './deadlines.ts';
import type { EngineMs, Lifeline, Origin } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import type { Lease } from './lease-table.ts';
import { LIGHT_BYTES, weightOf } from './weight.ts';

export interface Session {
  readonly id: string;
  readonly lifeline: Lifeline;
  /** The origin of its leases. */
  readonly origin: Origin;
  /** Null: it does not expire. */
  readonly ttlMs: number | null;
  /** The number of its last connection; 0 before the first. */
  readonly connection: number;
  readonly connected: boolean;
  /** True once it gave no sign of life in time: its leases have lapsed, and it ends at its next deadline. */
  readonly lapsed: boolean;
  /** When it lapses, or ends if it has lapsed; on the lease clock. Null: never. */
  readonly deadlineMs: EngineMs | null;
  readonly leases: ReadonlyMap<string, Lease>;
  /** What its leases and waiters take, estimated. */
  readonly bytes: number;
}

/** Only this file changes a session. */
interface OwnSession extends Session {
  ttlMs: number | null;
  connection: number;
  connected: boolean;
  lapsed: boolean;
  deadlineMs: EngineMs | null;
  bytes: number;
  readonly leases: Map<string, Lease>;
  /** When to check `deadlineMs` next. It may be earlier than `deadlineMs`, since a sign of life moves only that. */
  readonly deadline: Deadline;
}

/**
 * All sessions, and the lease clock: it stands still while the host could not run, so the server's own downtime counts
 * against no lease.
 */
export class Sessions {
  readonly #deadlines: Deadlines;
  readonly #sessions = new Map<string, OwnSession>();
  #stalledMs = 0;
  #bytes = 0;
  /** Of leases that weigh more than most. A lease may lose some of its amounts; its weight stays. */
  readonly #heavy = new Map<string, number>();

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** What all leases and waiters take, estimated. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  add(id: string, lifeline: Lifeline, ttlMs: number | null, origin: Origin): Session {
    const session: OwnSession = {
      id,
      lifeline,
      origin,
      ttlMs,
      connection: 0,
      connected: false,
      lapsed: false,
      deadlineMs: null,
      bytes: 0,
      leases: new Map(),
      deadline: newDeadline('session', id),
    };
    this.#sessions.set(id, session);
    return session;
  }

  delete(session: Session): void {
    this.#sessions.delete(session.id);
    this.#deadlines.cancel(own(session).deadline);
  }

  connect(session: Session, connection: number): void {
    if (connection <= session.connection) throw new BrokenInvariant(`connection ${connection} is not a later one`);
    own(session).connection = connection;
    own(session).connected = true;
  }

  disconnect(session: Session): void {
    own(session).connected = false;
  }

  setTtl(session: Session, ttlMs: number | null): void {
    own(session).ttlMs = ttlMs;
  }

  lapse(session: Session): void {
    if (session.lapsed) throw new BrokenInvariant(`session ${session.id} lapses twice`);
    own(session).lapsed = true;
  }

  /** The client is back: the session is no longer lapsed. */
  revive(session: Session): void {
    own(session).lapsed = false;
  }

  addLease(session: Session, lease: Lease): void {
    own(session).leases.set(lease.id, lease);
    const bytes = weightOf(lease.amounts, lease.holder);
    if (bytes > LIGHT_BYTES) this.#heavy.set(lease.id, bytes);
    this.weigh(session, bytes);
  }

  removeLease({ id, sessionId }: Lease): void {
    const session = this.#sessions.get(sessionId);
    if (!session?.leases.delete(id)) return;
    this.weigh(session, -(this.#heavy.get(id) ?? LIGHT_BYTES));
    this.#heavy.delete(id);
  }

  /** Something of the session has come to be that takes so many bytes, or has gone. */
  weigh(session: Session, bytes: number): void {
    own(session).bytes += bytes;
    this.#bytes += bytes;
    if (session.bytes < 0) throw new BrokenInvariant(`session ${session.id} takes ${session.bytes} bytes`);
  }

  // Deadlines

  /** The host could not run for so long: the lease clock stood still. A deadline that is then checked too early is set again. */
  stalled(byMs: number): void {
    this.#stalledMs += byMs;
  }

  /** Sets the session's deadline to `inMs` after `nowMs`, an engine time; null: never. */
  setDeadline(session: Session, nowMs: EngineMs, inMs: number | null): void {
    this.#schedule(own(session), inMs === null ? null : nowMs - this.#stalledMs + inMs);
  }

  /** Moves its deadline by one time to live: then a lapsed session ends. */
  prolong(session: Session): void {
    const { deadlineMs, ttlMs } = session;
    if (deadlineMs === null || ttlMs === null) throw new BrokenInvariant('a session without a deadline is prolonged');
    this.#schedule(own(session), deadlineMs + ttlMs);
  }

  /** The session's deadline as engine time, unless the host stalls before. */
  deadlineOf(session: Session): EngineMs | null {
    return session.deadlineMs === null ? null : session.deadlineMs + this.#stalledMs;
  }

  /** A session whose deadline has come. The caller prolongs it or ends it. */
  takeOverdue(nowMs: EngineMs): Session | undefined {
    for (let due = this.#deadlines.take('session', nowMs); due; due = this.#deadlines.take('session', nowMs)) {
      const session = this.#sessions.get(due.of);
      if (!session) throw new BrokenInvariant(`session ${due.of} is gone, its deadline is not`);
      if (session.deadlineMs === null) continue;
      if (session.deadlineMs <= nowMs - this.#stalledMs) return session;
      this.#schedule(session, session.deadlineMs);
    }
    return undefined;
  }

  #schedule(session: OwnSession, deadlineMs: EngineMs | null): void {
    session.deadlineMs = deadlineMs;
    const atMs = this.deadlineOf(session);
    if (atMs === null) return;
    if (this.#deadlines.isSet(session.deadline) && session.deadline.atMs <= atMs) return;
    this.#deadlines.set(session.deadline, atMs);
  }
}

function own(session: Session): OwnSession {
  return session as OwnSession;
}
