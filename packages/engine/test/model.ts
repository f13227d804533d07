/**
 * The engine's rules a second time, plainly right and slow: arrays and full scans, no lanes, no heaps. It shares nothing
 * with the engine but the types of its commands.
 */
import type { AcquireRequest, Amounts, Claim, Command, LimitPatch, Place, RefusalCode } from '../src/index.ts';
import { type Happening, levelOf, without } from './plain-level.ts';
import { firstToGrant, inOrder, type PlainLimit, type PlainWaiter, reservedOf } from './plain-wait-queue.ts';

export interface ModelLimit extends PlainLimit {
  name: string;
  slotDecayPerSecond: number | null;
  /** All that happened to what is taken of it. */
  readonly happenings: Happening[];
}

export interface ModelLease {
  readonly lease: string;
  readonly session: string;
  readonly token: number;
  amounts: Map<string, number>;
  /** What it took of rates and does not hold. */
  spent: Map<string, number>;
  readonly grantedAtMs: number;
  ttlMs: number | null;
  /** When it lapses; null: never, or not as long as its session gives signs of life. */
  deadlineMs: number | null;
  /** The deadline at which it lapsed; null while it is whole. */
  lapsedAtMs: number | null;
  /** When a lapsed lease ends. */
  endsAtMs: number | null;
}

interface ModelSession {
  readonly id: string;
  readonly lifeline: 'heartbeat' | 'renewal' | 'process';
  readonly ttlMs: number | null;
  connection: number | null;
  lastConnection: number;
  /** When it lapses or, holding nothing, ends. */
  deadlineMs: number | null;
}

export interface ModelWaiter extends PlainWaiter {
  readonly session: string;
  readonly request: AcquireRequest;
  readonly deadlineMs: number | null;
  /** Names that it was told to do without, since there is no such limit. */
  missing: string[];
}

/** What a step says. Where the design leaves open which of several reasons is told, `codes` has them all. */
export interface Outcome {
  granted: { lease: string; token: number; amounts: Amounts; isNew: boolean; warnings: string[] }[];
  queued: { lease: string; place: Place }[];
  refused: { lease: string; codes: RefusalCode[] }[];
  ended: { session: string; lease: string; code: RefusalCode }[];
  disconnected: { session: string; reason: 'lapsed' | 'displaced' }[];
  /** Leases that expired, in that order. */
  expired: string[];
  refusal: RefusalCode | undefined;
}

const HOLD_BACK_MS = 1000;

export class Model {
  limits: ModelLimit[] = [];
  leases: ModelLease[] = [];
  sessions: ModelSession[] = [];
  waiters: ModelWaiter[] = [];
  heldBackUntilMs: number | null = null;
  #nowMs = 0;
  #number = 0;
  #token = 0;
  #out = silence();
  /** Acquires that are told their place in this step, if they still wait at its end. */
  #told = new Set<string>();

  step(command: Command, nowMs: number): Outcome {
    this.#nowMs = nowMs;
    this.#out = silence();
    this.#told = new Set();
    // Enough may have come back by itself.
    this.#settle();
    this.#carryOut(command);
    this.#settle();
    const waiting = this.line().filter(({ lease, isTry }) => this.#told.has(lease) && !isTry);
    this.#out.queued = waiting.map(({ lease, place }) => ({ lease, place }));
    return this.#out;
  }

  /** The server's process starts again: limits and leases are what the journal has, everything else is gone. */
  restart(nowMs: number): void {
    this.waiters = [];
    this.sessions = this.sessions.filter(({ id }) => this.leases.some((lease) => lease.session === id));
    for (const session of this.sessions) {
      session.connection = null;
      session.lastConnection = 0;
      session.deadlineMs = session.lifeline === 'heartbeat' && session.ttlMs !== null ? nowMs + session.ttlMs : null;
    }
    for (const lease of this.leases) {
      const { lifeline } = this.#session(lease.session);
      lease.deadlineMs = lifeline === 'renewal' && lease.ttlMs !== null ? nowMs + lease.ttlMs : null;
      lease.lapsedAtMs = lifeline === 'process' ? nowMs : null;
      lease.endsAtMs = lease.lapsedAtMs;
    }
    for (const limit of this.limits) limit.grants = 0;
    const mayComeBack = this.leases.some((lease) => lease.lapsedAtMs === null);
    this.heldBackUntilMs = mayComeBack ? nowMs + HOLD_BACK_MS : null;
  }

  line(): ModelWaiter[] {
    return inOrder(this.waiters);
  }

  /** What those who wait before the waiter reserve of the limit, those in `leftOut` not counted. */
  reserved(name: string, before: string, leftOut: ReadonlySet<string>): number {
    const waiter = this.waiters.find(({ lease }) => lease === before);
    if (!waiter) throw new Error(`${before} does not wait`);
    return reservedOf(name, waiter, leftOut, this.waiters, (other) => this.#existing(other));
  }

  held(name: string): number {
    return this.leases.reduce((sum, lease) => sum + (lease.amounts.get(name) ?? 0), 0);
  }

  /** How much of the limit is taken, what leases hold included. */
  level(name: string, nowMs = this.#nowMs): number {
    return levelOf(this.#existing(name).happenings, nowMs);
  }

  /** Who will be granted then, if nothing happens before but that time passes. */
  firstToGrantAt(nowMs: number): string | undefined {
    if (this.heldBackUntilMs !== null) return undefined;
    return firstToGrant(
      this.waiters.map((waiter) => ({ ...waiter })),
      (name) => this.#existing(name),
      (limit) => this.#room(limit, nowMs),
    )?.lease;
  }

  /** The earliest time at which a tick changes something, without slots that come back by themselves. */
  wakeAtMs(): number | null {
    const times = [
      this.heldBackUntilMs,
      ...this.waiters.map((waiter) => waiter.deadlineMs),
      ...this.sessions.map((session) => session.deadlineMs),
      ...this.leases.map((lease) => (lease.lapsedAtMs === null ? lease.deadlineMs : lease.endsAtMs)),
    ].filter((time) => time !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'session.open':
        this.#open(command);
        return;
      case 'session.alive': {
        const session = this.#connected(command);
        if (session?.deadlineMs) session.deadlineMs = this.#nowMs + (session.ttlMs ?? 0);
        return;
      }
      case 'session.lost':
        this.#lose(command);
        return;
      case 'session.close': {
        const session = this.#connected(command);
        if (!session) return;
        this.#forget(session);
        for (const lease of this.leases.filter((lease) => lease.session === session.id)) this.#end(lease);
        return;
      }
      case 'acquire':
        this.#acquire(command.sessionId, command.request);
        return;
      case 'cancel':
        this.waiters = this.waiters.filter(
          ({ lease, session }) => lease !== command.leaseId || session !== command.sessionId,
        );
        for (const lease of this.leases.filter(({ lease }) => lease === command.leaseId)) {
          if (lease.session === command.sessionId) this.#end(lease, 'undone');
        }
        this.#endEmptySessions();
        return;
      case 'release': {
        const lease = this.leases.find(({ lease, token }) => lease === command.leaseId && token === command.token);
        if (!lease) return;
        const names = [...lease.amounts.keys()].filter((name) => command.names?.includes(name) ?? true);
        if (command.names && names.length === 0) return;
        for (const name of names) this.#letGo(lease, name, command.how);
        if (lease.amounts.size === 0) this.#end(lease);
        return;
      }
      case 'untracked.return':
        for (const [name, slots] of command.amounts) {
          if (this.#limit(name)) this.#happens(name, { what: 'returned', slots, held: this.held(name) });
        }
        return;
      case 'renew':
        this.#renew(command.leaseId, command.ttlMs);
        return;
      case 'limit.ensure':
        if (!this.#limit(command.name)) this.#set(command.name, command.patch);
        return;
      case 'limit.set':
        this.#set(command.name, command.patch);
        return;
      case 'limit.delete':
        this.#delete(command.name, command.force);
        return;
      case 'limit.rename':
        this.#rename(command.name, command.to);
        return;
      case 'untracked.set':
        if (!this.#limit(command.name)) this.#out.refusal = 'LIMIT_NOT_FOUND';
        else this.#happens(command.name, { what: 'occupied', slots: command.slots, held: this.held(command.name) });
        return;
      case 'tick':
        this.#tick();
        return;
      case 'stalled':
        for (const session of this.sessions) if (session.deadlineMs !== null) session.deadlineMs += command.byMs;
        for (const lease of this.leases) {
          if (lease.deadlineMs !== null) lease.deadlineMs += command.byMs;
          if (lease.lapsedAtMs !== null) lease.lapsedAtMs += command.byMs;
          if (lease.endsAtMs !== null) lease.endsAtMs += command.byMs;
        }
        return;
      case 'limit.reset':
        throw new Error('the model does not know limit.reset');
    }
  }

  // Sessions

  #open(command: Extract<Command, { type: 'session.open' }>): void {
    const { sessionId: id, connection, lifeline, ttlMs } = command;
    let session = this.sessions.find((other) => other.id === id);
    if (session && connection <= session.lastConnection) {
      this.#out.refusal = 'CONFLICT';
      return;
    }
    if (!session) {
      session = { id, lifeline, ttlMs, connection: null, lastConnection: 0, deadlineMs: null };
      this.sessions.push(session);
    }
    if (session.connection !== null) this.#out.disconnected.push({ session: id, reason: 'displaced' });
    session.connection = connection;
    session.lastConnection = connection;
    session.deadlineMs =
      session.lifeline === 'heartbeat' && session.ttlMs !== null ? this.#nowMs + session.ttlMs : null;

    this.#resumeLeases(id, command.leases, command.waits);
    const own = this.waiters.filter((waiter) => waiter.session === id);
    this.waiters = this.waiters.filter((waiter) => waiter.session !== id);
    for (const wait of command.waits) {
      const place = own.find((waiter) => waiter.lease === wait.leaseId)?.place ?? wait.place;
      this.#acquire(id, { ...wait, place });
    }
    this.#endEmptySessions();
  }

  #resumeLeases(session: string, claims: readonly Claim[], waits: readonly AcquireRequest[]): void {
    const isClaimed = (lease: ModelLease) =>
      claims.some(([id, token]) => id === lease.lease && token === lease.token && session === lease.session);
    for (const lease of this.leases.filter((lease) => lease.session === session)) {
      if (isClaimed(lease) || waits.some((wait) => isAnswer(lease, wait))) this.#makeWhole(lease);
      else this.#end(lease);
    }
    for (const [id] of claims) {
      if (!this.leases.some((lease) => lease.lease === id && isClaimed(lease))) {
        this.#out.ended.push({ session, lease: id, code: 'LEASE_LOST' });
      }
    }
  }

  /** A sign of life of a lapsed lease: whole again, unless a waiter is parked on one of its limits. True if it still is. */
  #makeWhole(lease: ModelLease): boolean {
    if (lease.lapsedAtMs !== null && this.waiters.some(({ parkedOn }) => parkedOn && lease.amounts.has(parkedOn))) {
      this.#expire(lease);
      return false;
    }
    lease.lapsedAtMs = null;
    lease.endsAtMs = null;
    return true;
  }

  #lose(command: Extract<Command, { type: 'session.lost' }>): void {
    const session = this.#connected(command);
    if (!session) return;
    session.connection = null;
    for (const waiter of this.waiters) {
      if (waiter.session !== session.id) continue;
      waiter.connected = false;
      waiter.parkedOn = null;
    }
    const holds = this.leases.some((lease) => lease.session === session.id);
    if (!holds && command.keepMs !== undefined) session.deadlineMs = this.#nowMs + command.keepMs;
    this.#endEmptySessions();
  }

  #endEmptySessions(): void {
    const over = this.sessions.filter(
      (session) =>
        (session.connection === null || session.lifeline === 'renewal') &&
        !this.leases.some((lease) => lease.session === session.id) &&
        !this.waiters.some((waiter) => waiter.session === session.id),
    );
    for (const session of over) this.#forget(session);
  }

  #forget(session: ModelSession): void {
    this.waiters = this.waiters.filter((waiter) => waiter.session !== session.id);
    this.sessions = this.sessions.filter((other) => other !== session);
  }

  // Leases

  #end(lease: ModelLease, how: 'returned' | 'undone' = 'returned'): void {
    for (const name of [...lease.amounts.keys()]) this.#letGo(lease, name, how);
    if (how === 'undone') for (const [name, slots] of lease.spent) this.#unspend(lease, name, slots);
    this.leases = this.leases.filter((other) => other !== lease);
    this.#endEmptySessions();
  }

  #letGo(lease: ModelLease, name: string, how: 'returned' | 'undone' | 'untracked' = 'returned'): void {
    const slots = lease.amounts.get(name) ?? 0;
    lease.amounts.delete(name);
    if (how !== 'untracked') this.#happens(name, { what: 'returned', slots, held: this.held(name) });
  }

  /** Without what may have decayed, and so been granted again. */
  #unspend(lease: ModelLease, name: string, slots: number): void {
    const decayed = ((this.#existing(name).slotDecayPerSecond ?? 0) * (this.#nowMs - lease.grantedAtMs)) / 1000;
    this.#happens(name, { what: 'returned', slots: Math.max(0, slots - decayed), held: this.held(name) });
  }

  #expire(lease: ModelLease): void {
    this.#out.expired.push(lease.lease);
    this.#end(lease);
  }

  #renew(id: string, ttlMs: number | null): void {
    const lease = this.leases.find((other) => other.lease === id);
    if (!lease || !this.#makeWhole(lease)) {
      this.#out.refusal = 'LEASE_LOST';
      return;
    }
    lease.ttlMs = ttlMs;
    lease.deadlineMs = ttlMs === null ? null : this.#nowMs + ttlMs;
  }

  // Acquires

  #acquire(session: string, request: AcquireRequest): void {
    const lease = this.leases.find((other) => other.lease === request.leaseId);
    const waiter = this.waiters.find((other) => other.lease === request.leaseId);
    const twin = lease ?? waiter;
    if (twin && (twin.session !== session || (waiter && !sameAmounts(waiter.request, request)))) {
      this.#out.refused.push({ lease: request.leaseId, codes: ['CONFLICT'] });
    } else if (lease) {
      const amounts = [...lease.amounts, ...lease.spent];
      this.#out.granted.push({ lease: lease.lease, token: lease.token, amounts, isNew: false, warnings: [] });
    } else if (waiter) {
      this.#told.add(waiter.lease);
    } else {
      this.#join(session, request);
    }
  }

  #join(session: string, request: AcquireRequest): void {
    const codes = this.#faults(request.amounts, request);
    if (codes.length > 0) {
      this.#out.refused.push({ lease: request.leaseId, codes });
      return;
    }
    if (typeof request.onMissing === 'object') {
      for (const [name] of request.amounts) if (!this.#limit(name)) this.#set(name, request.onMissing);
    }
    const known = request.amounts.filter(([name]) => this.#limit(name));
    const amounts = known.filter(([name]) => !request.skipInactive || this.#limit(name)?.active);
    this.#told.add(request.leaseId);
    this.waiters.push({
      lease: request.leaseId,
      session,
      request,
      amounts,
      place: this.#place(request),
      connected: true,
      isTry: request.timeoutMs === 0,
      parkedOn: null,
      missing: request.amounts.filter(([name]) => !this.#limit(name)).map(([name]) => name),
      grantsSeen: this.#grantsSeen(amounts),
      deadlineMs: request.timeoutMs === null || request.timeoutMs === 0 ? null : this.#nowMs + request.timeoutMs,
    });
  }

  #place(request: AcquireRequest): Place {
    const fresh = { atMs: this.#nowMs - request.priority * 1000, number: ++this.#number };
    return request.place ? { ...request.place, atMs: Math.min(request.place.atMs, fresh.atMs) } : fresh;
  }

  #grantsSeen(amounts: Amounts): Map<string, number> {
    return new Map(amounts.map(([name]) => [name, this.#limit(name)?.grants ?? 0]));
  }

  /** Why these amounts can never be granted, as things are. */
  #faults(amounts: Amounts, { onMissing, skipInactive, ratesOnly }: AcquireRequest): RefusalCode[] {
    const codes = amounts.flatMap(([name, slots]): RefusalCode[] => {
      const faults: RefusalCode[] = [];
      const limit = this.#limit(name);
      if (!limit) {
        if (onMissing === 'error') return ['LIMIT_NOT_FOUND'];
        if (onMissing === 'allow') return [];
        if (slots > onMissing.slots) faults.push('REQUEST_TOO_LARGE');
        if (ratesOnly && (onMissing.slotDecayPerSecond ?? null) === null) faults.push('INVALID_REQUEST');
        return faults;
      }
      if (!limit.active && skipInactive) return [];
      if (ratesOnly && limit.slotDecayPerSecond === null) faults.push('INVALID_REQUEST');
      if (limit.active && slots > limit.slots) faults.push('REQUEST_TOO_LARGE');
      if (limit.mode === 'draining') faults.push('CONFLICT');
      return faults;
    });
    return [...new Set(codes)].sort();
  }

  // Limits

  #set(name: string, patch: LimitPatch): void {
    const limit = this.#limit(name);
    if (limit) {
      const before = { ...limit };
      Object.assign(limit, patch);
      if (JSON.stringify(before) !== JSON.stringify(limit)) this.#isSet(limit);
      if (before.slotDecayPerSecond !== limit.slotDecayPerSecond) this.#forgetSpent(name);
    } else if (patch.slots === undefined) {
      this.#out.refusal = 'INVALID_REQUEST';
    } else {
      const defaults = { active: true, mode: 'open' as const, overtakes: 16, slotDecayPerSecond: null };
      const made = { name, ...defaults, ...patch, slots: patch.slots, grants: 0, happenings: [] };
      this.limits.push(made);
      this.#isSet(made);
    }
    this.#refuseHopeless();
  }

  #isSet({ name, slotDecayPerSecond: perSecond }: ModelLimit): void {
    this.#happens(name, { what: 'set', perSecond, held: this.held(name) });
  }

  #happens(name: string, what: Happened): void {
    this.#existing(name).happenings.push({ atMs: this.#nowMs, ...what });
  }

  /** What was spent of a limit that is gone, or decays otherwise now, never comes back. */
  #forgetSpent(name: string): void {
    for (const lease of this.leases) lease.spent.delete(name);
  }

  #refuseHopeless(): void {
    for (const waiter of this.line()) {
      const codes = this.#faults(waiter.amounts, { ...waiter.request, skipInactive: false });
      if (codes.length > 0) this.#refuse(waiter, codes);
    }
  }

  #delete(name: string, force: boolean): void {
    const holders = this.leases.filter((lease) => lease.amounts.has(name));
    if (!this.#limit(name)) this.#out.refusal = 'LIMIT_NOT_FOUND';
    else if (holders.length > 0 && !force) this.#out.refusal = 'CONFLICT';
    if (this.#out.refusal) return;
    for (const lease of holders) {
      this.#out.ended.push({ session: lease.session, lease: lease.lease, code: 'LEASE_REVOKED' });
      this.#end(lease);
    }
    this.limits = this.limits.filter((limit) => limit.name !== name);
    this.#forgetSpent(name);
    this.#waitWithout(name);
  }

  #rename(name: string, to: string): void {
    const limit = this.#limit(name);
    if (!limit) this.#out.refusal = 'LIMIT_NOT_FOUND';
    else if (name !== to && this.#limit(to)) this.#out.refusal = 'CONFLICT';
    if (!limit || name === to || this.#out.refusal) return;
    limit.name = to;
    const renamed = (amounts: Map<string, number>) =>
      new Map([...amounts].map(([other, slots]) => [other === name ? to : other, slots]));
    for (const lease of this.leases) {
      lease.amounts = renamed(lease.amounts);
      lease.spent = renamed(lease.spent);
    }
    this.#waitWithout(name);
  }

  /** No limit has the name any more. */
  #waitWithout(name: string): void {
    for (const waiter of this.line()) {
      if (!waiter.amounts.some(([other]) => other === name)) continue;
      if (waiter.request.onMissing === 'allow') {
        waiter.amounts = waiter.amounts.filter(([other]) => other !== name);
        waiter.missing.push(name);
        waiter.parkedOn = null;
      } else {
        this.#refuse(waiter, ['LIMIT_NOT_FOUND']);
      }
    }
  }

  // Time

  #tick(): void {
    const isDue = (time: number | null) => time !== null && time <= this.#nowMs;
    if (isDue(this.heldBackUntilMs)) this.heldBackUntilMs = null;
    for (const session of this.sessions.filter((session) => isDue(session.deadlineMs))) this.#lapse(session);
    for (const lease of this.leases) {
      if (lease.lapsedAtMs === null && isDue(lease.deadlineMs)) this.#lapseLease(lease, lease.deadlineMs ?? 0);
    }
    for (const lease of this.#lapsed().filter((lease) => isDue(lease.endsAtMs))) this.#expire(lease);
    this.#settle();
    const overdue = this.line().filter((waiter) => isDue(waiter.deadlineMs));
    for (const waiter of overdue.sort((a, b) => (a.deadlineMs ?? 0) - (b.deadlineMs ?? 0))) {
      // One that stood behind another may fit now.
      if (this.waiters.includes(waiter)) this.#refuse(waiter, ['ACQUIRE_TIMEOUT']);
      this.#settle();
    }
    this.#endEmptySessions();
  }

  #lapse(session: ModelSession): void {
    if (session.connection !== null) this.#out.disconnected.push({ session: session.id, reason: 'lapsed' });
    session.connection = null;
    this.waiters = this.waiters.filter((waiter) => waiter.session !== session.id);
    for (const lease of this.leases) {
      if (lease.session === session.id && session.lifeline === 'heartbeat')
        this.#lapseLease(lease, session.deadlineMs ?? 0);
    }
    session.deadlineMs = null;
    this.#endEmptySessions();
  }

  #lapseLease(lease: ModelLease, deadlineMs: number): void {
    lease.lapsedAtMs = deadlineMs;
    lease.endsAtMs = deadlineMs + (lease.ttlMs ?? 0);
  }

  /** Lapsed leases, the oldest first. */
  #lapsed(): ModelLease[] {
    return this.leases
      .filter((lease) => lease.lapsedAtMs !== null)
      .sort((a, b) => (a.lapsedAtMs ?? 0) - (b.lapsedAtMs ?? 0) || a.token - b.token);
  }

  // Granting

  #settle(): void {
    for (const waiter of this.line()) if (waiter.amounts.length === 0 && waiter.connected) this.#grant(waiter);
    if (this.heldBackUntilMs !== null) return;
    for (;;) {
      const waiter = firstToGrant(
        this.waiters,
        (name) => this.#existing(name),
        (limit) => this.#room(limit),
      );
      if (!waiter) break;
      this.#grant(waiter);
    }
    for (const waiter of this.line()) {
      if (waiter.isTry) this.#refuse(waiter, ['ACQUIRE_TIMEOUT']);
    }
  }

  #room({ name, active, slots }: PlainLimit, nowMs = this.#nowMs): number {
    if (!active) return Number.POSITIVE_INFINITY;
    const lapsed = this.#lapsed().reduce((sum, lease) => sum + (lease.amounts.get(name) ?? 0), 0);
    return slots - without(this.level(name, nowMs), lapsed, this.held(name) - lapsed);
  }

  #grant(waiter: ModelWaiter): void {
    for (const [name, slots] of waiter.amounts) {
      const limit = this.#existing(name);
      limit.grants += 1;
      while (limit.active && limit.slots - this.level(name) < slots) {
        const oldest = this.#lapsed().find((lease) => lease.amounts.has(name));
        if (!oldest) throw new Error(`the model grants ${slots} of '${name}' without room`);
        this.#expire(oldest);
      }
    }
    const session = this.#session(waiter.session);
    const isSpent = (name: string) => !waiter.request.refunds && this.#existing(name).slotDecayPerSecond !== null;
    const deadlineMs = session.lifeline === 'renewal' && session.ttlMs !== null ? this.#nowMs + session.ttlMs : null;
    const lease: ModelLease = {
      lease: waiter.lease,
      session: session.id,
      token: ++this.#token,
      amounts: new Map(waiter.amounts.filter(([name]) => !isSpent(name))),
      spent: new Map(waiter.amounts.filter(([name]) => isSpent(name))),
      grantedAtMs: this.#nowMs,
      ttlMs: session.ttlMs,
      deadlineMs,
      lapsedAtMs: null,
      endsAtMs: null,
    };
    this.leases.push(lease);
    for (const [name, slots] of waiter.amounts) this.#happens(name, { what: 'taken', slots });
    this.waiters = this.waiters.filter((other) => other !== waiter);
    const inactive = waiter.amounts.map(([name]) => name).filter((name) => !this.#existing(name).active);
    const warnings = [
      ...waiter.missing.map((name) => `LIMIT_MISSING ${name}`),
      ...inactive.map((name) => `LIMIT_INACTIVE ${name}`),
    ];
    this.#out.granted.push({ lease: lease.lease, token: lease.token, amounts: waiter.amounts, isNew: true, warnings });
  }

  #refuse(waiter: ModelWaiter, codes: RefusalCode[]): void {
    this.waiters = this.waiters.filter((other) => other !== waiter);
    if (waiter.connected) this.#out.refused.push({ lease: waiter.lease, codes });
    this.#endEmptySessions();
  }

  // Look-ups

  #connected({ sessionId: id, connection }: { sessionId: string; connection: number }): ModelSession | undefined {
    return this.sessions.find((session) => session.id === id && session.connection === connection);
  }

  #session(id: string): ModelSession {
    const session = this.sessions.find((other) => other.id === id);
    if (!session) throw new Error(`the model knows no session ${id}`);
    return session;
  }

  #limit(name: string): ModelLimit | undefined {
    return this.limits.find((limit) => limit.name === name);
  }

  #existing(name: string): ModelLimit {
    const limit = this.#limit(name);
    if (!limit) throw new Error(`the model knows no limit ${name}`);
    return limit;
  }
}

function sameAmounts(a: AcquireRequest, b: AcquireRequest): boolean {
  return JSON.stringify(a.amounts) === JSON.stringify(b.amounts);
}

/** Whether the lease is what the acquire came to. */
function isAnswer(
  { lease: id, amounts, spent }: ModelLease,
  { leaseId: lease, amounts: asked }: AcquireRequest,
): boolean {
  const wanted = new Map(asked);
  return id === lease && [...amounts, ...spent].every(([name, slots]) => wanted.get(name) === slots);
}

type Happened = Happening extends infer H ? (H extends Happening ? Omit<H, 'atMs'> : never) : never;

function silence(): Outcome {
  return { granted: [], queued: [], refused: [], ended: [], disconnected: [], expired: [], refusal: undefined };
}
