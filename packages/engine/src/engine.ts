/**
 * The engine: decides, and nothing else. `step` takes a command and the time, and returns the facts that it comes to and
 * what may be said once they are durable. The host makes the facts durable, delivers the notices, and calls again with
 * `tick` when `wakeAtMs` has come. The same commands at the same times give the same steps.
 *
 * Deadlines (a session's time to live, the timeout of a waiter, the end of the hold-back after a start) are acted on by
 * `tick` alone, so that a host that could not run can first read what has arrived meanwhile.
 */
import type {
  AcquireRequest,
  Claim,
  Command,
  DirectGrant,
  LimitPatch,
  Notice,
  Place,
  Step,
  Warning,
} from './commands.ts';
import { explain } from './explain.ts';
import type { Amounts, EngineMs, Fact, Holder, LimitSettings } from './facts.ts';
import { Heap } from './heap.ts';
import { type Gate, isBefore, Line, newWaiter, type Waiter } from './line.ts';
import type { Refusal } from './refusals.ts';
import * as refusals from './refusals.ts';
import { freeSlots } from './semaphore.ts';
import { type Session, Sessions } from './sessions.ts';
import { evolve, type Lease, type Limit, type State } from './state.ts';
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

const DEFAULT_OVERTAKES = 16;
const PRIORITY_MS = 1_000;

/** What the engine knows of an acquire that waits. */
export interface Ticket {
  readonly session: Session<Ticket>;
  readonly request: AcquireRequest;
  readonly warnings: readonly Warning[];
  /** What it asks for of limits that exist; less than the request where missing names are allowed. */
  waiter: Waiter<Ticket>;
  readonly joinedAtMs: EngineMs;
  readonly deadlineMs: EngineMs;
  inTimeouts: number;
}

export class Engine {
  readonly state: State;
  readonly #bounds: Bounds;
  readonly #line: Line<Ticket>;
  readonly #sessions = new Sessions<Ticket>();
  readonly #tickets = new Map<string, Ticket>();
  readonly #timeouts: Heap<'inTimeouts', Ticket> = new Heap('inTimeouts', (a, b) => a.deadlineMs < b.deadlineMs);
  #nextNumber: number;
  #nowMs: EngineMs;
  #heldBackUntilMs: EngineMs | null = null;
  #facts: Fact[] = [];
  #notices: Notice[] = [];

  /**
   * Takes over `state`, as replayed from the journal. `epoch` is the journal's: places given in different epochs differ.
   * All leases get one full time to live from `nowMs`; the host should be about to accept connections.
   */
  constructor(state: State, at: { readonly epoch: number; readonly nowMs: EngineMs }, bounds: Bounds = DEFAULT_BOUNDS) {
    this.state = state;
    this.#bounds = bounds;
    this.#nowMs = Math.max(at.nowMs, state.atMs);
    this.#nextNumber = at.epoch * 2 ** 32;
    this.#line = new Line((waiter) => this.#grantWaiter(waiter.owner));
    for (const limit of state.limits.values()) this.#line.add(limit);
    for (const lease of state.leases.values()) {
      const session =
        this.#sessions.get(lease.session) ?? this.#sessions.add(lease.session, lease.lifeline, lease.ttlMs);
      session.leases.set(lease.id, lease);
      // The process that embedded the engine is gone, or it could not be started again: what it held ends with the first tick.
      session.lapsed = session.lifeline === 'process';
      this.#sessions.setDeadline(session, this.#nowMs, session.lapsed ? 0 : session.ttlMs);
    }
    if ([...this.#sessions].some((session) => !session.lapsed)) {
      this.#heldBackUntilMs = this.#nowMs + HOLD_BACK_MS;
      this.#line.heldBack = true;
    }
  }

  /** When `tick` is to be called, a time of the engine; null: not before another command. */
  get wakeAtMs(): EngineMs | null {
    const times = [this.#heldBackUntilMs, this.#sessions.wakeAtMs, this.#timeouts.peek()?.deadlineMs ?? null];
    const finite = times.filter((time) => time !== null && Number.isFinite(time)) as number[];
    return finite.length === 0 ? null : Math.min(...finite);
  }

  get nowMs(): EngineMs {
    return this.#nowMs;
  }

  step(command: Command, nowMs: EngineMs): Step {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#facts = [];
    this.#notices = [];
    const refusal = this.#carryOut(command);
    return { facts: this.#facts, notices: this.#notices, refusal };
  }

  // What is to be seen

  limitView(name: string): LimitView | undefined {
    const limit = this.state.limits.get(name);
    if (!limit) return undefined;
    const { slots, active, mode, overtakes, maxWaiters, description } = limit.settings;
    const { lapsedSlots, waiters } = this.#line.gate(name);
    const free = freeSlots(limit, lapsedSlots);
    const holders = limit.leases.size;
    return { name, slots, active, mode, overtakes, maxWaiters, description, taken: limit.held, free, holders, waiters };
  }

  /** Those who hold slots of the limit, or of any; in the order of their grants. */
  *holders(name: string | null): Iterable<HolderView> {
    const leases = name === null ? this.state.leases : this.state.limits.get(name)?.leases;
    for (const lease of leases?.values() ?? []) {
      const { id: leaseId, token, holder, grantedAtMs: sinceMs } = lease;
      const session = this.#sessions.get(lease.session);
      const expiresAtMs = session ? this.#sessions.deadlineOf(session) : null;
      yield { leaseId, token, limits: slotsOf([...lease.amounts]), holder, sinceMs, expiresAtMs };
    }
  }

  /** Those who wait for the limit, or for any; in the order of the line. */
  waiters(name: string | null): WaiterView[] {
    return [...this.#tickets.values()]
      .filter(({ waiter }) => name === null || waiter.amounts.some(([other]) => other === name))
      .sort((a, b) => (isBefore(a.waiter.place, b.waiter.place) ? -1 : 1))
      .map(({ session, request, waiter, joinedAtMs }) => ({
        ticket: request.lease,
        limits: slotsOf(waiter.amounts),
        holder: request.holder,
        sinceMs: joinedAtMs,
        priority: request.priority,
        connected: session.connected,
        blockedOn: waiter.lane?.parkedOn?.limit.name ?? null,
      }));
  }

  #carryOut(command: Command): Refusal | undefined {
    switch (command.type) {
      case 'acquire':
        return this.#acquire(command.session, command.request);
      case 'release':
        return this.#release(command.lease, command.token, command.names);
      case 'cancel':
        return this.#cancel(command.session, command.lease);
      case 'session.open':
        return this.#open(command);
      case 'session.heard':
        return this.#heard(command.session, command.connection);
      case 'session.lost':
        return this.#lost(command.session, command.connection, command.keepMs);
      case 'session.close':
        return this.#close(command.session, command.connection);
      case 'renew':
        return this.#renew(command.lease, command.ttlMs);
      case 'limit.ensure':
      case 'limit.set':
        return this.#setLimit(command.name, command.id, command.patch, command.type === 'limit.ensure');
      case 'limit.delete':
        return this.#deleteLimit(command.name, command.force);
      case 'limit.reset':
        return this.#resetLimit(command.name, command.grants);
      case 'stalled':
        this.#sessions.stalled(command.byMs);
        return undefined;
      case 'tick':
        return this.#tick();
    }
  }

  // Acquire

  #acquire(sessionId: string, request: AcquireRequest): Refusal | undefined {
    const session = this.#sessions.get(sessionId);
    if (!session?.connected) throw new Error(`an acquire of session ${sessionId}, which is not connected`);
    if (this.#answeredAgain(session, request)) return undefined;
    const admitted = this.#admit(session, request);
    if (!admitted) return undefined;
    const { amounts, warnings } = admitted;
    const place = this.#placeFor(request);
    if (amounts.length === 0 || this.#line.fits(amounts, place)) {
      this.#grant(session, request, amounts, warnings, this.#nowMs);
    } else if (request.timeoutMs === 0 && this.#heldBackUntilMs === null) {
      this.#refuse(session, request.lease, refusals.timedOut(0, explain(this.#line, request.lease, amounts, place)));
    } else {
      const full = this.#fullLimit(amounts);
      if (full) {
        this.#refuse(session, request.lease, full);
      } else {
        this.#enqueue(session, request, amounts, warnings, place);
        this.#line.settle();
      }
    }
    return undefined;
  }

  /** The same acquire again is the same acquire. */
  #answeredAgain(session: Session<Ticket>, request: AcquireRequest): boolean {
    const lease = this.state.leases.get(request.lease);
    const ticket = this.#tickets.get(request.lease);
    if (!lease && !ticket) return false;
    const owner = lease ? lease.session : ticket?.session.id;
    const asked = new Map(request.amounts);
    const same = lease
      ? [...lease.amounts].every(([name, slots]) => asked.get(name) === slots)
      : JSON.stringify(ticket?.request.amounts) === JSON.stringify(request.amounts);
    if (owner !== session.id || !same) this.#refuse(session, request.lease, refusals.leaseIdInUse(request.lease));
    else if (lease) this.#noteGranted(session, lease, 0, []);
    else if (ticket) this.#noteQueued(ticket);
    return true;
  }

  /** What the acquire comes to among the limits there are: refused here, or what it asks for, less what limits nothing. */
  #admit(session: Session<Ticket>, request: AcquireRequest): { amounts: Amounts; warnings: Warning[] } | undefined {
    const refuse = (refusal: Refusal): undefined => this.#refuse(session, request.lease, refusal);
    const { onMissing, skipInactive } = request;
    const warnings: Warning[] = [];
    const missing: string[] = [];
    const amounts: (readonly [string, number])[] = [];
    for (const [name, slots] of request.amounts) {
      const settings =
        this.state.limits.get(name)?.settings ?? (typeof onMissing === 'object' ? onMissing.patch : undefined);
      if (!settings) {
        missing.push(name);
        warnings.push({ code: 'LIMIT_MISSING', limit: name });
        continue;
      }
      if (settings.active === false) {
        if (skipInactive) continue;
        warnings.push({ code: 'LIMIT_INACTIVE', limit: name });
      } else if (slots > settings.slots) {
        return refuse(refusals.tooLarge(name, slots, settings.slots));
      }
      if (settings.mode === 'draining') return refuse(refusals.draining(name));
      amounts.push([name, slots]);
    }
    if (missing.length > 0 && onMissing !== 'allow') return refuse(refusals.notFound(missing));
    const full = this.#fullServer(session);
    if (full) return refuse(full);
    if (typeof onMissing === 'object') this.#createMissing(amounts, onMissing.patch, onMissing.ids);
    return { amounts, warnings };
  }

  #createMissing(amounts: Amounts, patch: LimitPatch, ids: readonly string[]): void {
    const missing = amounts.filter(([name]) => !this.state.limits.has(name));
    for (const [i, [name]] of missing.entries()) {
      const id = ids[i];
      if (id === undefined) throw new Error(`no id was given for the limit '${name}' that is to be created`);
      this.#setLimit(name, id, patch, true);
    }
  }

  #fullServer(session: Session<Ticket>): Refusal | undefined {
    const { waiters, waitersPerSession, leasesPerSession } = this.#bounds;
    if (this.#tickets.size >= waiters) return refusals.queueFull('waiters on this server', waiters);
    if (session.waiters.size >= waitersPerSession)
      return refusals.queueFull('waiters of one client', waitersPerSession);
    if (session.leases.size >= leasesPerSession) return refusals.queueFull('leases of one client', leasesPerSession);
    return undefined;
  }

  #fullLimit(amounts: Amounts): Refusal | undefined {
    for (const [name] of amounts) {
      const { limit, waiters } = this.#line.gate(name);
      const { maxWaiters } = limit.settings;
      if (maxWaiters !== null && waiters >= maxWaiters) {
        return refusals.queueFull(`waiters of limit '${name}'`, maxWaiters, { name });
      }
    }
    return undefined;
  }

  /** A new place, or the one it had: never one in the future, which no engine gave. */
  #placeFor(request: AcquireRequest): Place {
    const latestMs = this.#nowMs - request.priority * PRIORITY_MS;
    if (request.place) return { atMs: Math.min(request.place.atMs, latestMs), number: request.place.number };
    this.#nextNumber += 1;
    return { atMs: latestMs, number: this.#nextNumber };
  }

  #enqueue(
    session: Session<Ticket>,
    request: AcquireRequest,
    amounts: Amounts,
    warnings: Warning[],
    place: Place,
  ): Ticket {
    const ticket = this.#register(session, request, amounts, warnings, place);
    this.#line.join(ticket.waiter);
    this.#noteQueued(ticket);
    return ticket;
  }

  #register(
    session: Session<Ticket>,
    request: AcquireRequest,
    amounts: Amounts,
    warnings: readonly Warning[],
    place: Place,
  ): Ticket {
    // While grants are held back a try cannot be decided: it waits for that moment, and no longer.
    const tryAtMs = request.timeoutMs === 0 ? this.#heldBackUntilMs : null;
    const ticket: Ticket = {
      session,
      request,
      warnings,
      waiter: undefined as unknown as Waiter<Ticket>,
      joinedAtMs: place.atMs + request.priority * PRIORITY_MS,
      deadlineMs: tryAtMs ?? (request.timeoutMs === null ? Number.POSITIVE_INFINITY : this.#nowMs + request.timeoutMs),
      inTimeouts: -1,
    };
    ticket.waiter = newWaiter(ticket, amounts, place);
    this.#tickets.set(request.lease, ticket);
    session.waiters.add(ticket);
    if (ticket.deadlineMs !== Number.POSITIVE_INFINITY) this.#timeouts.push(ticket);
    for (const [name] of amounts) this.#line.gate(name).waiters += 1;
    return ticket;
  }

  /** Takes a waiter off all that is kept of it. The line is to be settled afterwards. */
  #forget(ticket: Ticket): void {
    this.#line.leave(ticket.waiter);
    this.#tickets.delete(ticket.request.lease);
    ticket.session.waiters.delete(ticket);
    if (this.#timeouts.has(ticket)) this.#timeouts.remove(ticket);
    for (const [name] of ticket.waiter.amounts) this.#line.gate(name).waiters -= 1;
  }

  #cancel(sessionId: string, leaseId: string): undefined {
    const ticket = this.#tickets.get(leaseId);
    const lease = this.state.leases.get(leaseId);
    if (ticket?.session.id === sessionId) this.#forget(ticket);
    else if (lease?.session === sessionId)
      this.#end(lease, { type: 'lease.released', at: this.#nowMs, lease: leaseId, names: null });
    this.#forgetIfIdle(sessionId);
    this.#line.settle();
  }

  // Grant

  #grantWaiter(ticket: Ticket): void {
    const { session, request, waiter, warnings } = ticket;
    this.#forget(ticket);
    this.#takeSlots(session, request.lease, waiter.amounts, request.holder);
    this.#noteGranted(session, this.#lease(request.lease), this.#nowMs - ticket.joinedAtMs, warnings);
  }

  #grant(
    session: Session<Ticket>,
    request: AcquireRequest,
    amounts: Amounts,
    warnings: readonly Warning[],
    joinedAtMs: EngineMs,
  ): void {
    this.#takeSlots(session, request.lease, amounts, request.holder);
    this.#line.granted(amounts);
    this.#noteGranted(session, this.#lease(request.lease), this.#nowMs - joinedAtMs, warnings);
  }

  /** The one place where slots are taken. */
  #takeSlots(session: Session<Ticket>, id: string, amounts: Amounts, holder: Holder): void {
    for (const [name, slots] of amounts) this.#endLapsed(this.#line.gate(name), slots);
    const { lifeline, ttlMs } = session;
    this.#emit({
      type: 'lease.granted',
      at: this.#nowMs,
      lease: id,
      session: session.id,
      lifeline,
      ttlMs,
      amounts,
      holder,
    });
    for (const [name] of amounts) {
      const { held, settings } = this.#limit(name);
      if (settings.active && held > settings.slots)
        throw new Error(`${held} of limit '${name}' are held, which has ${settings.slots}`);
    }
    session.leases.set(id, this.#lease(id));
    if (lifeline === 'renewal') this.#sessions.setDeadline(session, this.#nowMs, ttlMs);
  }

  /** Ends as many lapsed leases as the slots need, the oldest first. */
  #endLapsed(gate: Gate<Ticket>, slots: number): void {
    const { limit, lapsed } = gate;
    for (const lease of lapsed.values()) {
      if (!limit.settings.active || limit.held + slots <= limit.settings.slots) return;
      this.#expire(lease);
    }
  }

  // Release and end

  #release(leaseId: string, token: number, names: readonly string[] | undefined): undefined {
    const lease = this.state.leases.get(leaseId);
    if (lease?.token !== token) return;
    const some = names?.filter((name) => lease.amounts.has(name)) ?? [...lease.amounts.keys()];
    if (names && some.length === 0) return;
    const all = some.length === lease.amounts.size;
    this.#end(lease, { type: 'lease.released', at: this.#nowMs, lease: leaseId, names: all ? null : some });
    this.#forgetIfIdle(lease.session);
    this.#line.settle();
  }

  #expire(lease: Lease): void {
    this.#end(lease, { type: 'lease.expired', at: this.#nowMs, lease: lease.id });
  }

  /** Ends a lease, or frees some of its slots, by `fact`. The line is to be settled afterwards. */
  #end(lease: Lease, fact: Fact & { readonly lease: string }): void {
    const names = fact.type === 'lease.released' && fact.names ? fact.names : [...lease.amounts.keys()];
    for (const name of names) this.#notLapsed(name, lease);
    this.#emit(fact);
    for (const name of names) this.#line.roomGained(name);
    if (!this.state.leases.has(lease.id)) this.#sessions.get(lease.session)?.leases.delete(lease.id);
  }

  // Sessions

  #open(command: Command & { readonly type: 'session.open' }): Refusal | undefined {
    const known = this.#sessions.get(command.session);
    if (known && command.connection <= known.connection)
      return refusals.staleConnection(command.connection, known.connection);
    if (!known && this.#sessions.size >= this.#bounds.sessions)
      return refusals.queueFull('clients of this server', this.#bounds.sessions);
    const session = known ?? this.#sessions.add(command.session, command.lifeline, command.ttlMs);
    if (session.connected) this.#noteDisconnect(session, 'displaced');
    const places = new Map([...session.waiters].map((ticket) => [ticket.request.lease, ticket.waiter.place]));
    for (const ticket of [...session.waiters]) this.#forget(ticket);
    session.connection = command.connection;
    session.connected = true;
    this.#resumeLeases(session, command.leases, command.waits);
    this.#setDeadlineOfOpen(session);
    this.#resumeWaits(session, command.waits, places);
    this.#forgetIfIdle(session.id);
    return undefined;
  }

  #setDeadlineOfOpen(session: Session<Ticket>): void {
    if (session.lifeline === 'heartbeat') this.#sessions.setDeadline(session, this.#nowMs, session.ttlMs);
    // Over REST a waiter lives as long as its request is held; a lease is renewed by itself.
    else if (session.leases.size === 0) this.#sessions.setDeadline(session, this.#nowMs, null);
  }

  #resumeLeases(session: Session<Ticket>, claims: readonly Claim[], waits: readonly AcquireRequest[]): void {
    const claimed = new Map(claims);
    const awaited = new Set(waits.map((request) => request.lease));
    for (const lease of [...session.leases.values()]) {
      const isClaimed = claimed.get(lease.id) === lease.token;
      if (!isClaimed && !awaited.has(lease.id)) {
        this.#end(lease, { type: 'lease.released', at: this.#nowMs, lease: lease.id, names: null });
      } else if (session.lapsed && !this.#makeWhole(lease)) {
        this.#expire(lease);
      }
    }
    session.lapsed = false;
    for (const [id, token] of claims) {
      const lease = session.leases.get(id);
      if (lease?.token !== token) this.#noteEnded(session, id, refusals.leaseLost(id));
    }
  }

  #resumeWaits(session: Session<Ticket>, waits: readonly AcquireRequest[], places: ReadonlyMap<string, Place>): void {
    const tries: AcquireRequest[] = [];
    for (const asked of waits) {
      const request = { ...asked, place: places.get(asked.lease) ?? asked.place };
      if (this.#answeredAgain(session, request)) continue;
      if (request.timeoutMs === 0) {
        tries.push(request);
        continue;
      }
      const admitted = this.#admit(session, request);
      if (!admitted) continue;
      if (admitted.amounts.length === 0) this.#grant(session, request, [], admitted.warnings, this.#nowMs);
      else this.#enqueue(session, request, admitted.amounts, admitted.warnings, this.#placeFor(request));
    }
    this.#line.settle();
    for (const request of tries) this.#acquire(session.id, request);
  }

  #heard(sessionId: string, connection: number): undefined {
    const session = this.#sessions.get(sessionId);
    if (session?.connected && session.connection === connection && session.lifeline === 'heartbeat') {
      this.#sessions.setDeadline(session, this.#nowMs, session.ttlMs);
    }
  }

  #lost(sessionId: string, connection: number, keepMs: number | undefined): undefined {
    const session = this.#sessions.get(sessionId);
    if (session?.connection !== connection || !session.connected) return;
    session.connected = false;
    for (const ticket of session.waiters) this.#line.leave(ticket.waiter);
    if (keepMs !== undefined && session.leases.size === 0) this.#sessions.setDeadline(session, this.#nowMs, keepMs);
    this.#forgetIfIdle(sessionId);
    this.#line.settle();
  }

  #close(sessionId: string, connection: number): undefined {
    const session = this.#sessions.get(sessionId);
    if (session?.connection !== connection) return;
    for (const ticket of [...session.waiters]) this.#forget(ticket);
    for (const lease of [...session.leases.values()]) {
      this.#end(lease, { type: 'lease.released', at: this.#nowMs, lease: lease.id, names: null });
    }
    this.#sessions.delete(session);
    this.#line.settle();
  }

  #renew(leaseId: string, ttlMs: number | null): Refusal | undefined {
    const lease = this.state.leases.get(leaseId);
    const session = lease && this.#sessions.get(lease.session);
    if (!lease || !session || session.lifeline !== 'renewal') return refusals.leaseLost(leaseId);
    if (session.lapsed && !this.#makeWhole(lease)) {
      this.#expire(lease);
      this.#forgetIfIdle(session.id);
      this.#line.settle();
      return refusals.leaseLost(leaseId);
    }
    session.lapsed = false;
    session.ttlMs = ttlMs;
    this.#emit({ type: 'lease.renewed', at: this.#nowMs, lease: leaseId, ttlMs });
    this.#sessions.setDeadline(session, this.#nowMs, ttlMs);
    return undefined;
  }

  #forgetIfIdle(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (!session || session.leases.size > 0 || session.waiters.size > 0) return;
    if (!session.connected || session.lifeline === 'renewal') this.#sessions.delete(session);
  }

  // Deadlines

  #tick(): undefined {
    if (this.#heldBackUntilMs !== null && this.#heldBackUntilMs <= this.#nowMs) {
      this.#heldBackUntilMs = null;
      this.#line.heldBack = false;
    }
    const lapsing: Lease[] = [];
    for (
      let session = this.#sessions.nextOverdue(this.#nowMs);
      session;
      session = this.#sessions.nextOverdue(this.#nowMs)
    ) {
      lapsing.push(...this.#overdue(session));
    }
    for (const lease of lapsing) this.#lapse(lease);
    this.#line.settle();
    this.#timeOut();
  }

  /** A session's deadline has come: it lapses, or ends if it has. Returns the leases that lapse with it, in the order in which they are to end. */
  #overdue(session: Session<Ticket>): Lease[] {
    for (const ticket of [...session.waiters]) this.#forget(ticket);
    if (session.connected && session.lifeline === 'heartbeat') this.#noteDisconnect(session, 'lapsed');
    session.connected = false;
    if (session.lapsed || session.leases.size === 0) {
      for (const lease of [...session.leases.values()]) this.#expire(lease);
      this.#sessions.delete(session);
      return [];
    }
    session.lapsed = true;
    this.#sessions.prolong(session, session.ttlMs as number);
    return [...session.leases.values()].sort((a, b) => a.token - b.token);
  }

  /** Its slots are free for others; until one needs them it can be made whole again. */
  #lapse(lease: Lease): void {
    for (const [name, slots] of lease.amounts) {
      const gate = this.#line.gate(name);
      gate.lapsed.set(lease.id, lease);
      gate.lapsedSlots += slots;
      this.#line.roomGained(name);
    }
  }

  #notLapsed(name: string, lease: Lease): void {
    const gate = this.#line.gate(name);
    if (gate.lapsed.delete(lease.id)) gate.lapsedSlots -= lease.amounts.get(name) ?? 0;
  }

  /** False if somebody waits for its slots. */
  #makeWhole(lease: Lease): boolean {
    for (const name of lease.amounts.keys()) if (this.#line.isWantedNow(name)) return false;
    for (const name of lease.amounts.keys()) this.#notLapsed(name, lease);
    return true;
  }

  #timeOut(): void {
    for (
      let ticket = this.#timeouts.peek();
      ticket && ticket.deadlineMs <= this.#nowMs;
      ticket = this.#timeouts.peek()
    ) {
      const { session, request, waiter } = ticket;
      const explanation = explain(this.#line, request.lease, waiter.amounts, waiter.place);
      this.#forget(ticket);
      this.#refuse(session, request.lease, refusals.timedOut(request.timeoutMs ?? 0, explanation));
      this.#forgetIfIdle(session.id);
    }
    this.#line.settle();
  }

  // Limits

  #setLimit(name: string, id: string, patch: LimitPatch, onlyCreate: boolean): Refusal | undefined {
    const limit = this.state.limits.get(name);
    if (limit && onlyCreate) return undefined;
    if (!limit && patch.slots === undefined) return refusals.slotsNeeded(name);
    const settings: LimitSettings = { ...(limit?.settings ?? NEW_LIMIT), ...patch };
    if (limit && JSON.stringify(settings) === JSON.stringify(limit.settings)) return undefined;
    this.#emit({ type: 'limit.set', at: this.#nowMs, name, id: limit?.id ?? id, settings });
    if (!limit) {
      this.#line.add(this.#limit(name));
      return undefined;
    }
    if (settings.mode === 'draining') this.#refuseWaiters(name, () => refusals.draining(name));
    if (settings.active) {
      this.#refuseWaiters(name, (wanted) =>
        wanted > settings.slots ? refusals.tooLarge(name, wanted, settings.slots) : undefined,
      );
    }
    this.#line.changed(name);
    this.#line.settle();
    return undefined;
  }

  /** Refuses those who wait for the limit, connected or not, as far as `why` says so. The line is to be settled afterwards. */
  #refuseWaiters(name: string, why: (wanted: number) => Refusal | undefined): void {
    if (this.#line.gate(name).waiters === 0) return;
    for (const ticket of [...this.#tickets.values()]) {
      const wanted = ticket.waiter.amounts.find(([other]) => other === name)?.[1];
      const refusal = wanted === undefined ? undefined : why(wanted);
      if (!refusal) continue;
      this.#forget(ticket);
      this.#refuse(ticket.session, ticket.request.lease, refusal);
      this.#forgetIfIdle(ticket.session.id);
    }
  }

  #deleteLimit(name: string, force: boolean): Refusal | undefined {
    const limit = this.state.limits.get(name);
    if (!limit) return refusals.notFound([name]);
    if (limit.leases.size > 0 && !force) return refusals.hasHolders(name, limit.leases.size);
    this.#revokeAll(limit, `its limit '${name}' was deleted`);
    const lessOne = this.#takeOutWaiters(name);
    this.#emit({ type: 'limit.deleted', at: this.#nowMs, name });
    this.#line.delete(name);
    for (const rejoin of lessOne) rejoin();
    this.#line.settle();
    return undefined;
  }

  /** Those who allow it to be missing wait on without it, at their places; the others are refused. */
  #takeOutWaiters(name: string): (() => void)[] {
    const rejoins: (() => void)[] = [];
    for (const ticket of [...this.#tickets.values()]) {
      const { session, request, waiter, warnings } = ticket;
      if (!waiter.amounts.some(([other]) => other === name)) continue;
      this.#forget(ticket);
      if (request.onMissing !== 'allow') {
        this.#refuse(session, request.lease, refusals.notFound([name]));
        this.#forgetIfIdle(session.id);
        continue;
      }
      const amounts = waiter.amounts.filter(([other]) => other !== name);
      const warned: Warning[] = [...warnings, { code: 'LIMIT_MISSING', limit: name }];
      rejoins.push(() => this.#goOn(ticket, amounts, warned));
    }
    return rejoins;
  }

  #goOn(before: Ticket, amounts: Amounts, warnings: readonly Warning[]): void {
    const { session, request, waiter, joinedAtMs, deadlineMs } = before;
    if (amounts.length === 0 && session.connected) {
      this.#grant(session, request, amounts, warnings, joinedAtMs);
      return;
    }
    const timeoutMs = Number.isFinite(deadlineMs) ? Math.max(0, deadlineMs - this.#nowMs) : null;
    const ticket = this.#register(session, { ...request, timeoutMs }, amounts, warnings, waiter.place);
    if (session.connected) this.#line.join(ticket.waiter);
  }

  #resetLimit(name: string, grants: readonly DirectGrant[]): Refusal | undefined {
    const limit = this.state.limits.get(name);
    if (!limit) return refusals.notFound([name]);
    if (limit.settings.active && grants.length > limit.settings.slots) {
      return refusals.tooLarge(name, grants.length, limit.settings.slots);
    }
    this.#revokeAll(limit, `limit '${name}' was reset`);
    for (const { lease, ttlMs, holder } of grants) {
      this.#takeSlots(this.#sessions.add(lease, 'renewal', ttlMs), lease, [[name, 1]], holder);
      this.#line.granted([[name, 1]]);
    }
    this.#line.settle();
    return undefined;
  }

  #revokeAll(limit: Limit, reason: string): void {
    for (const lease of [...limit.leases.values()]) {
      const session = this.#sessions.get(lease.session);
      this.#end(lease, { type: 'lease.revoked', at: this.#nowMs, lease: lease.id, reason });
      if (session) this.#noteEnded(session, lease.id, refusals.leaseRevoked(lease.id, reason));
      this.#forgetIfIdle(lease.session);
    }
  }

  // What is said

  #emit(fact: Fact): void {
    evolve(this.state, fact);
    this.#facts.push(fact);
  }

  #refuse(session: Session<Ticket>, lease: string, refusal: Refusal): undefined {
    this.#notices.push({ type: 'refused', session: session.id, lease, refusal });
  }

  #noteGranted(session: Session<Ticket>, lease: Lease, waitedMs: number, warnings: readonly Warning[]): void {
    const grant = {
      token: lease.token,
      grantedAtMs: lease.grantedAtMs,
      amounts: [...lease.amounts],
      waitedMs,
      warnings,
    };
    this.#notices.push({ type: 'granted', session: session.id, lease: lease.id, grant });
  }

  #noteQueued({ session, request, waiter }: Ticket): void {
    this.#notices.push({ type: 'queued', session: session.id, lease: request.lease, place: waiter.place });
  }

  #noteEnded(session: Session<Ticket>, lease: string, refusal: Refusal): void {
    this.#notices.push({ type: 'ended', session: session.id, lease, refusal });
  }

  #noteDisconnect(session: Session<Ticket>, reason: 'lapsed' | 'displaced'): void {
    this.#notices.push({ type: 'disconnect', session: session.id, connection: session.connection, reason });
  }

  #limit(name: string): Limit {
    const limit = this.state.limits.get(name);
    if (!limit) throw new Error(`limit '${name}' does not exist`);
    return limit;
  }

  #lease(id: string): Lease {
    const lease = this.state.leases.get(id);
    if (!lease) throw new Error(`lease ${id} does not exist`);
    return lease;
  }
}

function slotsOf(amounts: Amounts): SlotsOf[] {
  return amounts.map(([name, slots]) => ({ name, slots }));
}

const NEW_LIMIT: LimitSettings = {
  kind: 'semaphore',
  slots: 0,
  active: true,
  mode: 'open',
  overtakes: DEFAULT_OVERTAKES,
  maxWaiters: null,
  description: null,
};
