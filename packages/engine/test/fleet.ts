/** A few well-behaved clients: turns actions into the commands that a client library would send, and remembers what it is told. */
import type { AcquireRequest, Lifeline, Notice, Place, Step } from '../src/index.ts';
import { type Action, type Decays, LIFELINES, NAMES } from './actions.ts';
import type { Duel } from './duel.ts';
import { NOBODY } from './scene.ts';

const SLOTS = 3;
const BEAT_MS = 900;

/** What one client remembers, as the client library would. */
interface Client {
  session: string;
  readonly lifeline: Lifeline;
  readonly ttlMs: number | null;
  connection: number;
  connected: boolean;
  readonly waits: Map<string, { request: AcquireRequest; deadlineMs: number | null; place: Place | null }>;
  readonly leases: Map<string, number>;
}

export class Fleet {
  readonly clients: Client[];
  readonly #duel: Duel;
  #leases = 0;
  #sessions = 0;

  constructor(duel: Duel, decays: Decays = {}) {
    this.#duel = duel;
    this.clients = LIFELINES.map((life) => ({
      ...life,
      session: this.#newSession(),
      connection: 0,
      connected: false,
      waits: new Map(),
      leases: new Map(),
    }));
    for (const name of NAMES) {
      const patch = { slots: SLOTS, overtakes: 2, slotDecayPerSecond: decays[name] ?? null };
      this.#send(() => duel.step({ type: 'limit.set', name, id: `id-${name}`, patch }));
    }
    for (const client of this.clients) if (client.lifeline !== 'renewal') this.#connect(client, false);
  }

  act(action: Action): void {
    const duel = this.#duel;
    duel.nowMs += action.waitMs;
    switch (action.do) {
      case 'connect': {
        const client = this.clients[action.client]!;
        if (!client.connected || action.forget) this.#connect(client, action.forget);
        return;
      }
      case 'acquire':
        this.#acquire(this.clients[action.client]!, action);
        return;
      case 'cancel': {
        const wait = picked(this.#waits(), action.pick);
        if (!wait) return;
        wait.client.waits.delete(wait.lease);
        this.#send(() => duel.step({ type: 'cancel', sessionId: wait.client.session, leaseId: wait.lease }));
        return;
      }
      case 'undo': {
        const held = picked(this.#held(), action.pick);
        if (!held?.client.connected) return;
        held.client.leases.delete(held.lease);
        this.#send(() => duel.step({ type: 'cancel', sessionId: held.client.session, leaseId: held.lease }));
        return;
      }
      case 'repeat': {
        const wait = picked(this.#waits(), action.pick);
        if (!wait) return;
        const { session } = wait.client;
        this.#send(() => duel.step({ type: 'acquire', sessionId: session, request: wait.request }));
        return;
      }
      case 'release':
      case 'releaseStale':
      case 'releasePart':
      case 'leave':
        this.#release(action.do, action.pick);
        return;
      case 'renew': {
        const held = picked(
          this.#held().filter(({ client }) => client.lifeline === 'renewal'),
          action.pick,
        );
        if (held) this.#send(() => duel.step({ type: 'renew', leaseId: held.lease, ttlMs: 1500 }));
        return;
      }
      case 'alive':
      case 'lose':
      case 'close':
        this.#connection(this.clients[action.client]!, action);
        return;
      case 'set':
        this.#send(() =>
          duel.step({ type: 'limit.set', name: action.name, id: `id-${action.name}`, patch: action.patch }),
        );
        return;
      case 'delete':
        this.#send(() => duel.step({ type: 'limit.delete', name: action.name, force: action.force }));
        return;
      case 'rename':
        this.#send(() => duel.step({ type: 'limit.rename', name: action.name, to: action.to }));
        return;
      case 'occupy':
        this.#send(() => duel.step({ type: 'untracked.set', name: action.name, slots: action.slots }));
        return;
      case 'return':
        this.#send(() => duel.step({ type: 'untracked.return', amounts: action.amounts }));
        return;
      case 'sleep':
        this.#sleep(action.ms, action.beating);
        return;
      case 'tickLate':
        duel.nowMs += action.ms;
        this.#send(() => duel.tick());
        return;
      case 'stall':
        duel.nowMs += action.ms;
        this.#send(() => duel.step({ type: 'stalled', byMs: action.ms }));
        this.#send(() => duel.tick());
        return;
      case 'restart':
        duel.restart();
        for (const client of this.clients) client.connected = false;
        return;
    }
  }

  #sleep(ms: number, beating: boolean): void {
    const untilMs = this.#duel.nowMs + ms;
    while (this.#duel.nowMs < untilMs) {
      if (beating) for (const client of this.clients) this.#connection(client, { do: 'alive' });
      const left = untilMs - this.#duel.nowMs;
      this.#send(() => this.#duel.sleep(beating ? Math.min(BEAT_MS, left) : left));
    }
  }

  #connect(client: Client, forget: boolean): void {
    this.#send(() => this.#duel.tick());
    const cannotResume = client.lifeline !== 'heartbeat' && (client.leases.size > 0 || client.lifeline === 'process');
    if (cannotResume && client.connected) return;
    if (cannotResume) {
      client.session = this.#newSession();
      client.leases.clear();
      client.waits.clear();
    }
    if (forget) {
      const [lease] = client.leases.keys();
      const [wait] = client.waits.keys();
      if (lease) client.leases.delete(lease);
      if (wait) client.waits.delete(wait);
    }
    for (const [lease, { deadlineMs }] of client.waits) {
      if (deadlineMs !== null && deadlineMs <= this.#duel.nowMs) client.waits.delete(lease);
    }
    client.connection += 1;
    client.connected = true;
    const { session, connection, lifeline, ttlMs } = client;
    const waits = [...client.waits.values()].map(({ request, deadlineMs, place }) => ({
      ...request,
      timeoutMs: deadlineMs === null ? request.timeoutMs : deadlineMs - this.#duel.nowMs,
      place,
    }));
    const leases = [...client.leases];
    this.#send(() =>
      this.#duel.step({
        type: 'session.open',
        sessionId: session,
        connection,
        lifeline,
        ttlMs,
        leases,
        waits,
        origin: 'session',
      }),
    );
    client.connected = true;
  }

  #acquire(client: Client, action: Extract<Action, { do: 'acquire' }>): void {
    const isRest = client.lifeline === 'renewal';
    if (isRest && client.waits.size + client.leases.size > 0) return;
    if (!isRest && !client.connected) {
      this.#connect(client, false);
      return;
    }
    this.#leases += 1;
    const { amounts, timeoutMs, priority, onMissing, skipInactive, ratesOnly, refunds } = action;
    const request: AcquireRequest = {
      leaseId: `L${this.#leases}`,
      amounts,
      timeoutMs,
      priority,
      holder: NOBODY,
      onMissing,
      place: null,
      ratesOnly,
      refunds: isRest || refunds,
      skipInactive,
      limitIds: typeof onMissing === 'object' ? ['i1', 'i2', 'i3', 'i4'] : [],
    };
    const deadlineMs = timeoutMs === null || timeoutMs === 0 ? null : this.#duel.nowMs + timeoutMs;
    client.waits.set(request.leaseId, { request, deadlineMs, place: null });
    if (isRest) this.#connect(client, false);
    else this.#send(() => this.#duel.step({ type: 'acquire', sessionId: client.session, request }));
  }

  #release(how: 'release' | 'releaseStale' | 'releasePart' | 'leave', pick: number): void {
    const held = picked(this.#held(), pick);
    if (!held) return;
    const { client, lease, token } = held;
    if (how === 'releaseStale') {
      this.#send(() => this.#duel.step({ type: 'release', leaseId: lease, token: token - 1 }));
      return;
    }
    const names = (this.#duel.engine.state.leases.get(lease)?.amounts ?? []).map(([name]) => name);
    const isPart = how === 'releasePart' && names.length > 1;
    if (!isPart) client.leases.delete(lease);
    const some = { ...(isPart && { names: names.slice(0, 1) }), ...(how === 'leave' && { how: 'untracked' as const }) };
    this.#send(() => this.#duel.step({ type: 'release', leaseId: lease, token, ...some }));
  }

  #connection(client: Client, action: { do: 'alive' | 'close' } | { do: 'lose'; keepMs: number | null }): void {
    if (!client.connected) return;
    const { session, connection } = client;
    if (action.do === 'alive') {
      this.#send(() => this.#duel.step({ type: 'session.alive', sessionId: session, connection }));
      return;
    }
    client.connected = false;
    if (action.do === 'lose') {
      const keepMs = client.lifeline === 'renewal' ? 800 : action.keepMs;
      this.#send(() =>
        this.#duel.step({ type: 'session.lost', sessionId: session, connection, ...(keepMs !== null && { keepMs }) }),
      );
      return;
    }
    client.waits.clear();
    client.leases.clear();
    this.#send(() => this.#duel.step({ type: 'session.close', sessionId: session, connection }));
  }

  #held(): { client: Client; lease: string; token: number }[] {
    return this.clients.flatMap((client) => [...client.leases].map(([lease, token]) => ({ client, lease, token })));
  }

  #waits(): { client: Client; lease: string; request: AcquireRequest }[] {
    return this.clients
      .filter(({ connected }) => connected)
      .flatMap((client) => [...client.waits].map(([lease, { request }]) => ({ client, lease, request })));
  }

  #newSession(): string {
    this.#sessions += 1;
    return `S${this.#sessions}`;
  }

  #send(run: () => Step | Step[]): void {
    for (const step of [run()].flat()) for (const notice of step.notices) this.#hear(notice);
  }

  #hear(notice: Notice): void {
    const client = this.clients.find(({ session, connected }) => session === notice.sessionId && connected);
    if (!client) return;
    switch (notice.type) {
      case 'granted':
        if (client.waits.delete(notice.leaseId)) client.leases.set(notice.leaseId, notice.grant.token);
        return;
      case 'queued': {
        const wait = client.waits.get(notice.leaseId);
        if (wait) wait.place = notice.place;
        return;
      }
      case 'refused':
        client.waits.delete(notice.leaseId);
        return;
      case 'ended':
        client.leases.delete(notice.leaseId);
        return;
      case 'disconnect':
        if (notice.connection === client.connection) client.connected = false;
        return;
    }
  }
}

function picked<T>(items: readonly T[], pick: number): T | undefined {
  return items[pick % Math.max(1, items.length)];
}
