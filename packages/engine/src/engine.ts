/**
 * The engine: decides, and nothing else. `step` takes a command and the time, and returns the facts that it comes to and
 * what may be said once they are durable. The host makes the facts durable, delivers the notices, and calls again with
 * `tick` when `wakeAtMs` has come. The same commands at the same times give the same steps.
 *
 * Deadlines (a session's time to live, the timeout of a waiter, the end of the hold-back after a start) are acted on by
 * `tick` alone, so that a host that could not run can first read what has arrived meanwhile.
 */
import { type Admission, admit } from './admission.ts';
import type { AcquireRequest, Claim, Command, Place, Step, Warning } from './commands.ts';
import { explain } from './explain.ts';
import type { Amounts, EngineMs } from './facts.ts';
import { Leases } from './leases.ts';
import { Ledger } from './ledger.ts';
import { freeSlots, takenSlots } from './level.ts';
import { Limits } from './limits.ts';
import { Line } from './line.ts';
import { leaseIdInUse, leaseLost, queueFull, type Refusal, staleConnection, timedOut } from './refusals.ts';
import { type Session, Sessions } from './sessions.ts';
import { type Lease, type Limit, type State, slotsIn } from './state.ts';
import { type Ticket, Tickets } from './tickets.ts';
import type { HolderView, LimitView, SlotsOf, WaiterView } from './views.ts';

/** How much the engine bears. Beyond it an acquire is refused with QUEUE_FULL. */
export interface Bounds {
  readonly sessions: number;
  readonly waiters: number;
  readonly waitersPerSession: number;
  readonly leasesPerSession: number;
}

export const DEFAULT_BOUNDS: Bounds = {
  sessions: 100_000,
  waiters: 1_000_000,
  waitersPerSession: 100_000,
  leasesPerSession: 100_000,
};

/** After a start with leases in the journal nothing is granted for so long, so that those who waited are back in their places. */
export const HOLD_BACK_MS = 1_000;

export class Engine {
  readonly #bounds: Bounds;
  readonly #ledger: Ledger;
  readonly #line = new Line<Ticket>(
    (ticket) => this.#grantWaiter(ticket),
    (ticket) => this.#timeOut(ticket),
  );
  readonly #sessions = new Sessions<Ticket>();
  readonly #tickets = new Tickets(this.#line);
  readonly #leases: Leases;
  readonly #limits: Limits;
  #nextNumber: number;
  #heldBackUntilMs: EngineMs | null = null;

  /**
   * Takes over `state`, as replayed from the journal. `epoch` is the journal's: places given in different epochs differ.
   * All leases get one full time to live from `nowMs`; the host should be about to accept connections.
   */
  constructor(state: State, at: { readonly epoch: number; readonly nowMs: EngineMs }, bounds: Bounds = DEFAULT_BOUNDS) {
    this.#bounds = bounds;
    this.#ledger = new Ledger(state, at.nowMs);
    this.#leases = new Leases(this.#ledger, this.#line, this.#sessions);
    this.#limits = new Limits(this.#ledger, this.#line, this.#sessions, this.#tickets, this.#leases, {
      refuse: (ticket, refusal) => this.#refuseWaiter(ticket, refusal),
      goOn: (ticket, amounts, missing) => this.#goOn(ticket, amounts, missing),
      forgetIfIdle: (session) => this.#forgetIfIdle(session),
    });
    this.#nextNumber = at.epoch * 2 ** 32;
    for (const lease of state.leases.values()) this.#adopt(lease);
    if ([...this.#sessions].some((session) => !session.lapsed)) {
      this.#heldBackUntilMs = this.#ledger.nowMs + HOLD_BACK_MS;
      this.#line.heldBack = true;
    }
  }

  step(command: Command, nowMs: EngineMs): Step {
    this.#ledger.begin(nowMs);
    this.#line.begin(this.nowMs);
    const refusal = this.#carryOut(command);
    this.#line.settle();
    return this.#ledger.end(refusal);
  }

  /** When `tick` is to be called, a time of the engine; null: not before another command. */
  get wakeAtMs(): EngineMs | null {
    const { POSITIVE_INFINITY: never } = Number;
    const next = Math.min(
      this.#heldBackUntilMs ?? never,
      this.#sessions.wakeAtMs ?? never,
      this.#tickets.wakeAtMs ?? never,
      this.#line.wakeAtMs ?? never,
    );
    return next === never ? null : next;
  }

  // What is to be seen

  get state(): State {
    return this.#ledger.state;
  }

  get nowMs(): EngineMs {
    return this.#ledger.nowMs;
  }

  /** As it was at the last step, or is at `nowMs` after it: a rate's slots come back meanwhile. */
  limitView(name: string, nowMs: EngineMs = this.nowMs): LimitView | undefined {
    const limit = this.state.limits.get(name);
    if (!limit) return undefined;
    const { lapsedSlots, waiters } = this.#line.gate(name);
    const taken = takenSlots(limit, 0, nowMs);
    const free = freeSlots(limit, lapsedSlots, nowMs);
    return { name, ...limit.settings, taken, free, holders: limit.leases.size, waiters };
  }

  /** Whole slots of the limit that are taken; what lapsed leases hold is not, also while nobody needs it. */
  activeSlots(limit: Limit, nowMs: EngineMs): number {
    return takenSlots(limit, this.#line.gate(limit.name).lapsedSlots, nowMs);
  }

  /** Whether the lease's slots are surely its own: a lapsed one's may go to others at any moment. */
  isValid(leaseId: string, token: number): boolean {
    const lease = this.state.leases.get(leaseId);
    return lease?.token === token && this.#sessions.get(lease.sessionId)?.lapsed === false;
  }

  /** Those who hold slots of the limit, or of any; in the order of their grants. */
  *holders(name: string | null): Iterable<HolderView> {
    const leases = name === null ? this.state.leases : this.state.limits.get(name)?.leases;
    for (const lease of leases?.values() ?? []) {
      const { id: leaseId, token, holder, grantedAtMs: sinceMs } = lease;
      const session = this.#sessions.get(lease.sessionId);
      const expiresAtMs = session ? this.#sessions.deadlineOf(session) : null;
      yield { leaseId, token, limits: slotsOf(lease.amounts), holder, sinceMs, expiresAtMs };
    }
  }

  /** Those who wait for the limit, or for any; in the order of the line. */
  waiters(name: string | null): WaiterView[] {
    return this.#tickets.waitingFor(name).map(({ session, request, amounts, place, joinedAtMs, lane }) => ({
      ticket: request.leaseId,
      limits: slotsOf(amounts),
      holder: request.holder,
      sinceMs: joinedAtMs,
      priority: request.priority,
      place,
      connected: session.connected,
      blockedOn: lane?.parkedOn?.limit.name ?? null,
    }));
  }

  #carryOut(command: Command): Refusal | undefined {
    switch (command.type) {
      case 'acquire':
        return this.#acquire(this.#connected(command.sessionId), command.request);
      case 'release':
        return this.#release(command);
      case 'cancel':
        return this.#cancel(command.sessionId, command.leaseId);
      case 'session.open':
        return this.#open(command);
      case 'session.heard':
        return this.#heard(command.sessionId, command.connection);
      case 'session.lost':
        return this.#lost(command.sessionId, command.connection, command.keepMs);
      case 'session.close':
        return this.#close(command.sessionId, command.connection);
      case 'renew':
        return this.#renew(command.leaseId, command.ttlMs);
      case 'limit.ensure':
        return this.#limits.ensure(command.name, command.id, command.patch);
      case 'limit.set':
        return this.#limits.set(command.name, command.id, command.patch);
      case 'limit.delete':
        return this.#limits.delete(command.name, command.force);
      case 'limit.rename':
        return this.#limits.rename(command.name, command.to);
      case 'limit.occupy':
        return this.#limits.occupy(command.name, command.slots);
      case 'return':
        this.#limits.takeBack(command.amounts);
        return undefined;
      case 'limit.reset':
        return this.#limits.reset(command.name, command.grants);
      case 'stalled':
        this.#sessions.stalled(command.byMs);
        return undefined;
      case 'tick':
        return this.#tick();
    }
  }

  // Acquire

  #acquire(session: Session<Ticket>, request: AcquireRequest): undefined {
    if (this.#answeredAgain(session, request)) return;
    const admission = this.#admit(session, request);
    if (!admission) return;
    const { amounts, missing } = admission;
    const place = this.#placeFor(request);
    if (amounts.length === 0 || this.#line.fits(amounts, place)) {
      this.#grant(session, request, amounts, missing, this.nowMs);
    } else if (request.timeoutMs === 0 && this.#heldBackUntilMs === null) {
      this.#refuse(
        session,
        request.leaseId,
        timedOut(0, explain(this.#line, request.leaseId, amounts, place, this.nowMs)),
      );
    } else {
      this.#enqueue(session, request, admission, place);
    }
  }

  /** The same acquire again is the same acquire. */
  #answeredAgain(session: Session<Ticket>, request: AcquireRequest): boolean {
    const lease = this.state.leases.get(request.leaseId);
    const ticket = this.#tickets.get(request.leaseId);
    if (!lease && !ticket) return false;
    const owner = lease ? lease.sessionId : ticket?.session.id;
    const isSame = lease
      ? isGranted(lease, request)
      : JSON.stringify(ticket?.request.amounts) === JSON.stringify(request.amounts);
    if (owner !== session.id || !isSame) this.#refuse(session, request.leaseId, leaseIdInUse(request.leaseId));
    else if (lease) this.#tellGranted(lease, whatItGot(lease, request), 0, NO_WARNINGS);
    else if (ticket) this.#tellQueued(ticket);
    return true;
  }

  /** Undefined if it was refused. Limits that are to be created are there afterwards. */
  #admit(session: Session<Ticket>, request: AcquireRequest): Admission | undefined {
    const admission = admit(this.state, request);
    const { leasesPerSession } = this.#bounds;
    // Each that waits may become a lease.
    const isFull = session.leases.size + session.waiters.size >= leasesPerSession;
    const refusal = admission.refusal ?? (isFull ? queueFull('leases of one client', leasesPerSession) : undefined);
    if (refusal) {
      this.#refuse(session, request.leaseId, refusal);
      return undefined;
    }
    const { onMissing, limitIds } = request;
    if (typeof onMissing !== 'object') return admission;
    for (const [i, name] of admission.missing.entries()) this.#limits.ensure(name, limitIds[i] as string, onMissing);
    return { ...admission, missing: [] };
  }

  /** Why no more may wait; who has waited before keeps its place on its limits. */
  #fullFor(session: Session<Ticket>, amounts: Amounts, hadPlace: boolean): Refusal | undefined {
    const { waiters, waitersPerSession } = this.#bounds;
    if (this.#tickets.size >= waiters) return queueFull('waiters on this server', waiters);
    if (session.waiters.size >= waitersPerSession) return queueFull('waiters of one client', waitersPerSession);
    for (const [name] of hadPlace ? [] : amounts) {
      const gate = this.#line.gate(name);
      const { maxWaiters } = gate.limit.settings;
      if (maxWaiters !== null && gate.waiters >= maxWaiters) {
        return queueFull(`waiters of limit '${name}'`, maxWaiters, { name });
      }
    }
    return undefined;
  }

  /** A new place, or the one it had: never one in the future, which no engine gave. */
  #placeFor({ place, priority }: AcquireRequest): Place {
    const latestMs = this.nowMs - priority * 1_000;
    if (place) return { atMs: Math.min(place.atMs, latestMs), number: place.number };
    this.#nextNumber += 1;
    return { atMs: latestMs, number: this.#nextNumber };
  }

  #enqueue(session: Session<Ticket>, request: AcquireRequest, { amounts, missing }: Admission, place: Place): void {
    // A try is decided before the step is over, so it needs no room among those who wait.
    const isDecidedNow = request.timeoutMs === 0 && this.#heldBackUntilMs === null;
    const full = isDecidedNow ? undefined : this.#fullFor(session, amounts, request.place !== null);
    if (full) {
      this.#refuse(session, request.leaseId, full);
      return;
    }
    const { timeoutMs } = request;
    // While grants are held back a try cannot be decided: it waits for that moment, and no longer.
    const tryAtMs = timeoutMs === 0 ? this.#heldBackUntilMs : null;
    const deadlineMs = tryAtMs ?? (timeoutMs === null ? Number.POSITIVE_INFINITY : this.nowMs + timeoutMs);
    this.#tellQueued(this.#tickets.add({ session, request, missing, amounts, place, deadlineMs }));
  }

  /** Its limits have become fewer: it goes on at its place. */
  #goOn(ticket: Ticket, amounts: Amounts, missing: readonly string[]): void {
    const { session, request, place, deadlineMs, joinedAtMs } = ticket;
    if (amounts.length === 0 && session.connected) {
      this.#grant(session, request, amounts, missing, joinedAtMs);
      return;
    }
    const grantsAsItJoined = ticket.grantsAsItJoined.filter((_, i) => amounts.includes(ticket.amounts[i]!));
    this.#tickets.add({ session, request, missing, amounts, place, deadlineMs, grantsAsItJoined });
  }

  #grantWaiter(ticket: Ticket): void {
    const { session, request, amounts, missing, joinedAtMs } = ticket;
    this.#tickets.remove(ticket);
    this.#grant(session, request, amounts, missing, joinedAtMs);
  }

  #grant(
    session: Session<Ticket>,
    request: AcquireRequest,
    amounts: Amounts,
    missing: readonly string[],
    joinedAtMs: EngineMs,
  ): void {
    const lease = this.#leases.take(session, request.leaseId, amounts, request.holder, request.refunds);
    this.#tellGranted(lease, amounts, this.nowMs - joinedAtMs, this.#warnings(amounts, missing));
  }

  /** What limits nothing, as the grant is made. */
  #warnings(amounts: Amounts, missing: readonly string[]): readonly Warning[] {
    const inactive = amounts.filter(([name]) => !this.state.limits.get(name)?.settings.active);
    if (missing.length === 0 && inactive.length === 0) return NO_WARNINGS;
    return [
      ...missing.map((limit) => ({ code: 'LIMIT_MISSING', limit }) as const),
      ...inactive.map(([limit]) => ({ code: 'LIMIT_INACTIVE', limit }) as const),
    ];
  }

  #release({ sessionId: session, leaseId, token, names, how }: Command & { readonly type: 'release' }): undefined {
    const lease = this.state.leases.get(leaseId);
    if (lease?.token !== token || lease.sessionId !== (session ?? lease.sessionId)) return;
    const some = names?.filter((name) => slotsIn(lease.amounts, name) !== undefined);
    if (some?.length === 0) return;
    this.#leases.release(lease, how, some === undefined || some.length === lease.amounts.length ? null : some);
    this.#forgetIfIdle(lease.sessionId);
  }

  #cancel(sessionId: string, leaseId: string): undefined {
    const ticket = this.#tickets.get(leaseId);
    const lease = this.state.leases.get(leaseId);
    if (ticket?.session.id === sessionId) this.#tickets.remove(ticket);
    else if (lease?.sessionId === sessionId) this.#leases.release(lease, 'undone');
    this.#forgetIfIdle(sessionId);
  }

  // Sessions

  /** As the journal has it: a session that holds leases, and of which nothing has been heard yet. */
  #adopt(lease: Lease): void {
    const session =
      this.#sessions.get(lease.sessionId) ??
      this.#sessions.add(lease.sessionId, lease.lifeline, lease.ttlMs, lease.origin);
    session.leases.set(lease.id, lease);
    // What a process held that embedded the engine is over with it: its leases end with the first tick.
    session.lapsed = lease.lifeline === 'process';
    this.#sessions.setDeadline(session, this.nowMs, session.lapsed ? 0 : session.ttlMs);
  }

  /** The host closes a connection in the same turn in which its session is told to disconnect. */
  #connected(id: string): Session<Ticket> {
    const session = this.#sessions.get(id);
    if (!session?.connected) throw new Error('an acquire of a session that is not connected');
    return session;
  }

  #open(command: Command & { readonly type: 'session.open' }): Refusal | undefined {
    const { connection, leases, waits } = command;
    const known = this.#sessions.get(command.sessionId);
    if (known && connection <= known.connection) return staleConnection(connection, known.connection);
    const { sessions } = this.#bounds;
    if (!known && this.#sessions.size >= sessions) return queueFull('clients of this server', sessions);
    const session = known ?? this.#sessions.add(command.sessionId, command.lifeline, command.ttlMs, command.origin);
    if (session.connected) this.#tellDisconnect(session, 'displaced');
    if (session.leases.size === 0) session.ttlMs = command.ttlMs;
    const places = new Map([...session.waiters].map((ticket) => [ticket.request.leaseId, ticket.place]));
    for (const ticket of [...session.waiters]) this.#tickets.remove(ticket);
    session.connection = connection;
    session.connected = true;
    this.#resumeLeases(session, leases, waits);
    if (session.lifeline === 'heartbeat') this.#sessions.setDeadline(session, this.nowMs, session.ttlMs);
    // Over REST a waiter lives as long as its request is held open; a lease is renewed by itself.
    else if (session.leases.size === 0) this.#sessions.setDeadline(session, this.nowMs, null);
    this.#resumeWaits(session, waits, places);
    this.#forgetIfIdle(session.id);
    return undefined;
  }

  #resumeLeases(session: Session<Ticket>, claims: readonly Claim[], waits: readonly AcquireRequest[]): void {
    const claimed = new Map(claims);
    const awaited = new Map(waits.map((request) => [request.leaseId, request]));
    for (const lease of [...session.leases.values()]) {
      const asked = awaited.get(lease.id);
      if (claimed.get(lease.id) !== lease.token && !(asked && isGranted(lease, asked))) this.#leases.release(lease);
      else if (session.lapsed && !this.#leases.makeWhole(lease)) this.#leases.expire(lease);
    }
    session.lapsed = false;
    for (const [id, token] of claims) {
      if (session.leases.get(id)?.token === token) continue;
      this.#ledger.tell({ type: 'ended', sessionId: session.id, leaseId: id, refusal: leaseLost(id) });
    }
  }

  #resumeWaits(session: Session<Ticket>, waits: readonly AcquireRequest[], places: ReadonlyMap<string, Place>): void {
    for (const asked of waits) {
      const request = { ...asked, place: places.get(asked.leaseId) ?? asked.place };
      if (!this.#answeredAgain(session, request)) {
        const admission = this.#admit(session, request);
        if (admission?.amounts.length === 0) this.#grant(session, request, [], admission.missing, this.nowMs);
        else if (admission) this.#enqueue(session, request, admission, this.#placeFor(request));
      }
    }
  }

  #heard(sessionId: string, connection: number): undefined {
    const session = this.#sessions.get(sessionId);
    if (session?.connected && session.connection === connection && session.lifeline === 'heartbeat') {
      this.#sessions.setDeadline(session, this.nowMs, session.ttlMs);
    }
  }

  #lost(sessionId: string, connection: number, keepMs: number | undefined): undefined {
    const session = this.#sessions.get(sessionId);
    if (session?.connection !== connection || !session.connected) return;
    session.connected = false;
    for (const ticket of session.waiters) this.#line.leave(ticket);
    const keptMs = session.lifeline === 'renewal' ? (keepMs ?? 0) : keepMs;
    if (keptMs !== undefined && session.leases.size === 0) this.#sessions.setDeadline(session, this.nowMs, keptMs);
    this.#forgetIfIdle(sessionId);
  }

  #close(sessionId: string, connection: number): undefined {
    const session = this.#sessions.get(sessionId);
    if (session?.connection !== connection) return;
    for (const ticket of [...session.waiters]) this.#tickets.remove(ticket);
    for (const lease of [...session.leases.values()]) this.#leases.release(lease);
    this.#sessions.delete(session);
  }

  #renew(leaseId: string, ttlMs: number | null): Refusal | undefined {
    const lease = this.state.leases.get(leaseId);
    const session = lease && this.#sessions.get(lease.sessionId);
    if (!lease || session?.lifeline !== 'renewal') return leaseLost(leaseId);
    if (session.lapsed && !this.#leases.makeWhole(lease)) {
      this.#leases.expire(lease);
      this.#forgetIfIdle(session.id);
      return leaseLost(leaseId);
    }
    session.lapsed = false;
    session.ttlMs = ttlMs;
    this.#ledger.record({ type: 'lease.renewed', at: this.nowMs, leaseId: leaseId, ttlMs });
    this.#sessions.setDeadline(session, this.nowMs, ttlMs);
    return undefined;
  }

  #forgetIfIdle(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (!session || session.leases.size > 0 || session.waiters.size > 0) return;
    if (!session.connected || session.lifeline === 'renewal') this.#sessions.delete(session);
  }

  // Deadlines

  #tick(): undefined {
    if (this.#heldBackUntilMs !== null && this.#heldBackUntilMs <= this.nowMs) {
      this.#heldBackUntilMs = null;
      this.#line.heldBack = false;
    }
    const lapsing: { readonly deadlineMs: number; readonly lease: Lease }[] = [];
    for (
      let session = this.#sessions.nextOverdue(this.nowMs);
      session;
      session = this.#sessions.nextOverdue(this.nowMs)
    ) {
      const deadlineMs = session.deadlineMs as number;
      for (const lease of this.#overdue(session)) lapsing.push({ deadlineMs, lease });
    }
    // In the order in which they are to be ended.
    lapsing.sort((a, b) => a.deadlineMs - b.deadlineMs || a.lease.token - b.lease.token);
    for (const { lease } of lapsing) this.#leases.lapse(lease);
    // Whoever can be granted at the moment of its timeout is granted.
    this.#line.settle();
    for (let ticket = this.#tickets.nextOverdue(this.nowMs); ticket; ticket = this.#tickets.nextOverdue(this.nowMs)) {
      this.#timeOut(ticket);
      // Another one that stood behind it may fit now, though its time may be over too.
      this.#line.settle();
    }
  }

  #timeOut(ticket: Ticket): void {
    const { request, amounts, place } = ticket;
    const explanation = explain(this.#line, request.leaseId, amounts, place, this.nowMs);
    this.#refuseWaiter(ticket, timedOut(request.timeoutMs ?? 0, explanation));
  }

  /** A session's deadline has come: it lapses, or ends if it has. Returns the leases that lapse with it. */
  #overdue(session: Session<Ticket>): readonly Lease[] {
    for (const ticket of [...session.waiters]) this.#tickets.remove(ticket);
    if (session.connected && session.lifeline === 'heartbeat') this.#tellDisconnect(session, 'lapsed');
    session.connected = false;
    const leases = [...session.leases.values()];
    if (session.lapsed || leases.length === 0) {
      for (const lease of leases) this.#leases.expire(lease);
      this.#sessions.delete(session);
      return [];
    }
    session.lapsed = true;
    this.#sessions.prolong(session, session.ttlMs as number);
    return leases;
  }

  // What is said

  #refuse(session: Session<Ticket>, lease: string, refusal: Refusal): void {
    this.#ledger.tell({ type: 'refused', sessionId: session.id, leaseId: lease, refusal });
  }

  #refuseWaiter(ticket: Ticket, refusal: Refusal): void {
    this.#tickets.remove(ticket);
    this.#refuse(ticket.session, ticket.request.leaseId, refusal);
    this.#forgetIfIdle(ticket.session.id);
  }

  #tellGranted(lease: Lease, amounts: Amounts, waitedMs: number, warnings: readonly Warning[]): void {
    const { id, sessionId: session, token, grantedAtMs } = lease;
    this.#ledger.tell({
      type: 'granted',
      sessionId: session,
      leaseId: id,
      grant: { token, grantedAtMs, amounts, waitedMs, warnings },
    });
  }

  /** A try has no place in the line, even while it waits for the end of the hold-back. */
  #tellQueued({ session, request, place }: Ticket): void {
    if (request.timeoutMs === 0) return;
    this.#ledger.tell({ type: 'queued', sessionId: session.id, leaseId: request.leaseId, place });
  }

  #tellDisconnect({ id, connection }: Session<Ticket>, reason: 'lapsed' | 'displaced'): void {
    this.#ledger.tell({ type: 'disconnect', sessionId: id, connection, reason });
  }
}

const NO_WARNINGS: readonly Warning[] = [];

/** Whether the lease is what the request came to: all of it, or less what was left out. */
function isGranted(lease: Lease, request: AcquireRequest): boolean {
  return whatItGot(lease, request).length === lease.amounts.length + lease.spent.length;
}

/** What of the request the lease holds or has spent, in the order in which it was asked for; what it spent of rates that were deleted or decay otherwise since is forgotten. */
function whatItGot({ amounts, spent }: Lease, request: AcquireRequest): Amounts {
  return request.amounts.filter(([name, slots]) => (slotsIn(amounts, name) ?? slotsIn(spent, name)) === slots);
}

function slotsOf(amounts: Amounts): SlotsOf[] {
  return amounts.map(([name, slots]) => ({ name, slots }));
}
