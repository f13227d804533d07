/** A real server with nothing but events and limits, over a replica in memory or in a folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, Notice } from '@slotkeeper/engine';
import { MemoryJournal, MemoryStore, SqliteJournal } from '@slotkeeper/journal';
import type { Clock } from '@slotkeeper/protocol';
import Fastify, { type FastifyError } from 'fastify';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { realClock } from '../../../server/src/clock.ts';
import { Replica } from '../../../server/src/replica/replica.ts';
import { serveUpgrades } from '../../../server/src/upgrades.ts';
import { keyring } from '../../../server/test/keyring.ts';
import { PrefectError, sendError } from '../../src/api/answers.ts';
import { authenticate } from '../../src/api/authentication.ts';
import { mount } from '../../src/api/routes.ts';
import { type Events, openEvents } from '../../src/events/open-events.ts';
import type { Keys } from '../../src/keys.ts';
import type { UpstreamAddress } from '../../src/upstream/address.ts';

export interface ToldEvent {
  readonly id: string;
  readonly occurred: string;
  readonly received: string;
  readonly event: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly related: readonly Readonly<Record<string, string>>[];
  readonly payload: Readonly<Record<string, unknown>>;
  readonly follows: string | null;
}

export interface EventPage {
  readonly events: readonly ToldEvent[];
  readonly total: number;
  readonly next_page: string | null;
}

export interface StartOptions {
  /** For both the journal and the events; in memory without. */
  readonly folder?: string;
  /** For the events, if another. */
  readonly eventsFolder?: string;
  readonly store?: MemoryStore;
  readonly apiKey?: string;
  readonly authString?: string;
  readonly upstream?: UpstreamAddress;
  /** In which leases live; real time without. */
  readonly clock?: Clock;
  /** Takes what ends the server; the test's end does it without. */
  readonly until?: (end: () => Promise<void>) => void;
}

/** Gone at the test's end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const NOBODY = { type: null, id: null, label: null, host: null, pid: null };

export class EventsServer {
  readonly replica: Replica;
  readonly warnings: readonly string[];
  readonly #events: Events;
  readonly #app = Fastify({ forceCloseConnections: true });
  #url = '';

  private constructor(replica: Replica, events: Events, warnings: readonly string[]) {
    this.replica = replica;
    this.#events = events;
    this.warnings = warnings;
  }

  /** Ends with the test, unless told otherwise. */
  static async start(options: StartOptions = {}): Promise<EventsServer> {
    const { folder, store = new MemoryStore(), clock = realClock, apiKey, authString, upstream = null } = options;
    const journal = () =>
      folder === undefined ? new MemoryJournal(store, clock) : new SqliteJournal({ folder }, clock);
    const replica = await Replica.start(journal, clock);
    const warnings: string[] = [];
    const keys = keyring({ apiKey, authString });
    const warn = (message: string): void => void warnings.push(message);
    const eventsFolder = options.eventsFolder ?? folder ?? null;
    const events = await openEvents({
      folder: eventsFolder,
      host: replica,
      keys,
      upstream,
      upstreamCredentials: { apiKey, authString },
      warn,
    });
    const server = new EventsServer(replica, events, warnings);
    await server.#listen(keys);
    let closing: Promise<void> | undefined;
    server.close = () => {
      closing ??= server.#close();
      return closing;
    };
    (options.until ?? onTestFinished)(() => server.close());
    return server;
  }

  close: () => Promise<void> = async () => {};

  async #listen(keys: Keys): Promise<void> {
    const app = this.#app;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
    app.setErrorHandler((error: FastifyError, _request, reply) => {
      if (error instanceof PrefectError) return sendError(reply, error);
      throw error;
    });
    authenticate(app, keys, []);
    await app.register(async (api) => mount(api, this.#events.routes), { prefix: '/api' });
    serveUpgrades(app.server, this.#events.upgrades);
    await app.listen({ host: '127.0.0.1', port: 0 });
    this.#url = `127.0.0.1:${(app.server.address() as AddressInfo).port}/api`;
  }

  async #close(): Promise<void> {
    this.#events.dropConnections();
    await this.#app.close();
    await this.#events.close();
    await this.replica.stop();
  }

  // Limits and leases

  limit(name: string, slots = 5, more: object = {}): void {
    this.submit({ type: 'limit.set', name, id: idOfLimit(name), patch: { slots, ...more } });
  }

  /** Takes slots at once, for a session of the API given. Returns the lease's token. */
  async acquire(
    lease: string,
    amounts: readonly (readonly [string, number])[],
    options: { session?: string; holder?: object; refunds?: boolean; ttlMs?: number | null } = {},
  ): Promise<number> {
    const { session = `session of ${lease}`, holder = {}, refunds = true, ttlMs = null } = options;
    return new Promise((resolve, reject) => {
      const sink = (notice: Notice): void => {
        if (notice.type === 'granted') resolve(notice.grant.token);
        else reject(new Error(JSON.stringify(notice)));
      };
      const request = {
        leaseId: lease,
        amounts,
        timeoutMs: 0,
        priority: 0,
        holder: { ...NOBODY, ...holder },
        onMissing: 'error',
        place: null,
        ratesOnly: false,
        refunds,
        skipInactive: true,
        limitIds: [],
      } as const;
      this.replica.attach(session, sink);
      this.submit({
        type: 'session.open',
        sessionId: session,
        connection: 1,
        lifeline: 'renewal',
        ttlMs,
        leases: [],
        waits: [request],
        origin: 'prefect-lease',
      });
    });
  }

  submit(command: Command): void {
    const refusal = this.replica.submit(command);
    if (refusal) throw new Error(JSON.stringify(refusal));
  }

  // Events

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`http://${this.#url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }

  get(path: string): Promise<Response> {
    return fetch(`http://${this.#url}${path}`);
  }

  async filter(filter: object = {}, limit = 50): Promise<EventPage> {
    const answer = await this.post('/events/filter', { filter, limit });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as EventPage;
  }

  /** All events that match, oldest first, once there are as many. */
  async settled(total: number, filter: object = {}): Promise<readonly ToldEvent[]> {
    for (let told = 0; told < total; ) {
      const socket = this.socket('out', []);
      await socket.send({ type: 'filter', filter });
      // It is closed where events are not to be had yet.
      for (told = 0; told < total && (await socket.next().catch(() => undefined)); ) told += 1;
      socket.end();
    }
    return (await this.filter({ ...filter, order: 'ASC' })).events;
  }

  socket(path: 'in' | 'out', protocols: string[] = ['prefect']): EventSocket {
    return new EventSocket(`ws://${this.#url}/events/${path}`, protocols);
  }
}

/** The same for the same name. */
export function idOfLimit(name: string): string {
  return `00000000-0000-4000-8000-${Buffer.from(name).toString('hex').padStart(12, '0').slice(-12)}`;
}

/** A client's end, ended with the test. What it was told can be awaited in its order. */
export class EventSocket {
  readonly #socket: WebSocket;
  readonly #told: string[] = [];
  #closed: { code: number; reason: string } | undefined;
  #wake = (): void => {};

  constructor(url: string, protocols: string[]) {
    this.#socket = new WebSocket(url, protocols);
    this.#socket.on('message', (data) => {
      this.#told.push(data.toString());
      this.#wake();
    });
    this.#socket.on('close', (code, reason) => {
      this.#closed ??= { code, reason: reason.toString() };
      this.#wake();
    });
    this.#socket.on('error', (error) => {
      this.#closed ??= { code: 0, reason: error.message };
      this.#wake();
    });
    onTestFinished(() => this.#socket.terminate());
  }

  async send(...messages: readonly unknown[]): Promise<void> {
    if (this.#socket.readyState === WebSocket.CONNECTING)
      await new Promise((resolve) => this.#socket.once('open', resolve));
    for (const message of messages) this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Resolves with the pong. */
  async ping(): Promise<void> {
    const pong = new Promise<void>((resolve) => this.#socket.once('pong', () => resolve()));
    this.#socket.ping();
    await pong;
  }

  async next(): Promise<{ readonly type: string; readonly event: ToldEvent }> {
    while (this.#told.length === 0) {
      if (this.#closed) throw new Error(`closed: ${JSON.stringify(this.#closed)}`);
      await this.#change();
    }
    return JSON.parse(this.#told.shift()!);
  }

  async closed(): Promise<{ readonly code: number; readonly reason: string }> {
    while (!this.#closed) await this.#change();
    return this.#closed;
  }

  end(): void {
    this.#socket.terminate();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** What a client may send. */
export function clientEvent(number: number, more: Partial<ToldEvent> = {}): Omit<ToldEvent, 'received'> {
  return {
    id: `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`,
    occurred: new Date(Date.now() - 60_000 + number).toISOString(),
    event: 'shop.order.placed',
    resource: { 'prefect.resource.id': `shop.order.${number}` },
    related: [],
    payload: {},
    follows: null,
    ...more,
  };
}
