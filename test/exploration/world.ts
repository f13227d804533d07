/**
 * One state of an exploration: an engine, and clients as they know themselves to be. A client that is away receives nothing, and
 * comes back with what it knew. No time passes but in the move `time passes`, so that states from different ways are equal.
 */
import { type AcquireRequest, HOLD_BACK_MS, type Place } from '@slotkeeper/engine';
import { request } from '../../packages/engine/test/scene.ts';
import type { Ask, Cast, CastLimit } from './cast.ts';
import type { Stepper } from './stepper.ts';

export const TTL_MS = 2_000;
/** In which half a slot comes back at one a second. */
const REFILL_MS = 500;

export interface Client {
  readonly name: string;
  connected: boolean;
  connection: number;
  aliveAtMs: number;
  /** What it asked for last; null: it neither waits nor holds, as far as it knows. */
  ask: Ask | null;
  place: Place | null;
  token: number | null;
  /** When the timeout of its ask began. */
  askedAtMs: number;
  /** What each limit of its ask had granted as it joined or resumed. */
  grantsSeen: Map<string, number>;
}

export class World {
  readonly cast: Cast;
  readonly stepper: Stepper;
  readonly clients: Client[];
  /** How many grants each limit has made since it was made, or the server started. */
  readonly grants = new Map<string, number>();
  /** After a start nothing is granted until then. */
  heldBackUntilMs: number | null = null;

  constructor(cast: Cast, stepper: Stepper) {
    this.cast = cast;
    this.stepper = stepper;
    for (const limit of cast.limits) this.#make(limit);
    this.clients = Array.from({ length: cast.clients }, (_, i) => ({
      name: String.fromCharCode(0x70 + i),
      connected: false,
      connection: 0,
      aliveAtMs: 0,
      ask: null,
      place: null,
      token: null,
      askedAtMs: 0,
      grantsSeen: new Map(),
    }));
    for (const client of this.clients) this.#open(client);
  }

  /** Makes a move, one of those that `look` has found. */
  do(move: string): void {
    const [who = '', what = '', which] = move.split(' ');
    const client = this.clients.find(({ name }) => name === who);
    if (client) this.#act(client, what, which);
    else if (who === 'time' && what === 'refills') this.#passTime(this.stepper.nowMs + REFILL_MS);
    else if (who === 'time') this.#passTime(Math.min(...this.deadlines()));
    else if (who === 'server') this.#restart();
    else this.#change(who, what, which);
  }

  #act(client: Client, what: string, which: string | undefined): void {
    const { name, connection } = client;
    switch (what) {
      case 'asks':
        this.#ask(client, this.cast.asks[Number(which)]!);
        return;
      case 'releases':
        this.#step({ type: 'release', leaseId: name, token: client.token! });
        forget(client);
        return;
      case 'leaves':
        this.#step({ type: 'release', leaseId: name, token: client.token!, how: 'untracked' });
        forget(client);
        return;
      case 'cancels':
        this.#step({ type: 'cancel', sessionId: name, leaseId: name });
        forget(client);
        return;
      case 'goes':
        client.connected = false;
        this.#step({ type: 'session.lost', sessionId: name, connection });
        return;
      case 'closes':
        client.connected = false;
        this.#step({ type: 'session.close', sessionId: name, connection });
        forget(client);
        this.#open(client);
        return;
      case 'forgets':
        forget(client);
        this.#open(client);
        return;
      case 'returns':
        this.#open(client);
        return;
      default:
        throw new Error(`no client does '${what}'`);
    }
  }

  #change(name: string, what: string, which = ''): void {
    switch (what) {
      case 'resized':
        this.#setLimit(name, { slots: Number(which) });
        return;
      case 'paused':
      case 'resumed':
        this.#setLimit(name, { mode: what === 'paused' ? 'paused' : 'open' });
        return;
      case 'decays':
      case 'keeps':
        this.#setLimit(name, { slotDecayPerSecond: what === 'decays' ? Number(which) : null });
        return;
      case 'occupied':
        this.#step({ type: 'untracked.set', name, slots: Number(which) });
        return;
      case 'returned':
        this.#step({ type: 'untracked.return', amounts: [[name, 1]] });
        return;
      case 'renamed':
        this.#step({ type: 'limit.rename', name, to: which });
        this.grants.set(which, this.grants.get(name) ?? 0);
        if (which !== name) this.grants.delete(name);
        return;
      case 'deleted':
        this.#step({ type: 'limit.delete', name, force: true });
        this.grants.delete(name);
        return;
      case 'made':
        this.#make(this.cast.limits.find(([other]) => other === name)!);
        return;
      default:
        throw new Error(`no limit is '${what}'`);
    }
  }

  #make([name, slots, slotDecayPerSecond]: CastLimit): void {
    this.#setLimit(name, { slots, slotDecayPerSecond, overtakes: 1 });
  }

  #setLimit(name: string, patch: object): void {
    this.#step({ type: 'limit.set', name, id: name, patch });
  }

  #ask(client: Client, ask: Ask): void {
    client.ask = ask;
    this.#joins(client);
    this.#step({ type: 'acquire', sessionId: client.name, request: requestOf(client, ask) });
  }

  #joins(client: Client): void {
    client.askedAtMs = this.stepper.nowMs;
    client.grantsSeen = new Map(client.ask?.amounts.map(([name]) => [name, this.grants.get(name) ?? 0]));
  }

  #open(client: Client): void {
    const { name, ask, token } = client;
    client.connection += 1;
    client.connected = true;
    client.aliveAtMs = this.stepper.nowMs;
    if (token === null) this.#joins(client);
    this.#step({
      type: 'session.open',
      sessionId: name,
      connection: client.connection,
      lifeline: 'heartbeat',
      ttlMs: TTL_MS,
      leases: token === null ? [] : [[name, token]],
      waits: token === null && ask ? [requestOf(client, ask)] : [],
      origin: 'session',
    });
  }

  #passTime(untilMs: number): void {
    const { engine } = this.stepper;
    // The engine may also check clients that have given a sign of life since.
    for (let dueMs = engine.wakeAtMs; dueMs !== null && dueMs < untilMs; dueMs = engine.wakeAtMs) this.#tick(dueMs);
    this.#tick(untilMs);
    if (this.heldBackUntilMs !== null && this.heldBackUntilMs <= untilMs) this.heldBackUntilMs = null;
  }

  #tick(atMs: number): void {
    this.stepper.nowMs = Math.max(atMs, this.stepper.nowMs);
    for (const client of this.clients) {
      if (!client.connected) continue;
      client.aliveAtMs = this.stepper.nowMs;
      this.#step({ type: 'session.alive', sessionId: client.name, connection: client.connection });
    }
    this.#step({ type: 'tick' });
  }

  /** All moments at which something is to happen by itself. */
  deadlines(): number[] {
    const { engine, nowMs } = this.stepper;
    const ofClients = this.clients.flatMap(({ name, connected, aliveAtMs, ask, askedAtMs, token }) => {
      const away = connected ? [] : [aliveAtMs + TTL_MS, aliveAtMs + 2 * TTL_MS];
      const waits = connected && token === null && ask?.timeoutMs;
      const timeout = waits && engine.waiters(null).some(({ ticket }) => ticket === name) ? [askedAtMs + waits] : [];
      return [...away, ...timeout];
    });
    const deadlines = this.heldBackUntilMs === null ? ofClients : [...ofClients, this.heldBackUntilMs];
    return deadlines.filter((atMs) => atMs > nowMs);
  }

  #restart(): void {
    this.stepper.restart();
    this.grants.clear();
    const leases = this.stepper.engine.state.leases.size;
    this.heldBackUntilMs = leases > 0 ? this.stepper.nowMs + HOLD_BACK_MS : null;
    for (const client of this.clients) {
      client.connected = false;
      client.aliveAtMs = this.stepper.nowMs;
    }
  }

  #step(command: Parameters<Stepper['step']>[0]): void {
    const { facts, notices } = this.stepper.step(command);
    for (const fact of facts) {
      if (fact.type !== 'lease.granted') continue;
      for (const [name] of fact.amounts) this.grants.set(name, (this.grants.get(name) ?? 0) + 1);
    }
    for (const notice of notices) {
      const client = this.clients.find(({ name }) => name === notice.sessionId);
      // What is said to somebody who is away is lost.
      if (!client?.connected) continue;
      if (notice.type === 'granted') client.token = notice.grant.token;
      else if (notice.type === 'queued') client.place = notice.place;
      else if (notice.type === 'disconnect') client.connected = notice.connection !== client.connection;
      else forget(client);
    }
  }
}

function forget(client: Client): void {
  client.ask = null;
  client.place = null;
  client.token = null;
}

function requestOf({ name, place }: Client, { amounts, ...ask }: Ask): AcquireRequest {
  return request(name, Object.fromEntries(amounts), { ...ask, place });
}

/** The other name that a limit may have. */
export function renamed(name: string): string {
  return `${name}2`;
}
