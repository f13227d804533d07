/** A real server with only Prefect's API, over a replica in memory. The test moves the time. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Journal, MemoryJournal, MemoryStore } from '@slotkeeper/journal';
import type { Clock } from '@slotkeeper/protocol';
import Fastify from 'fastify';
import { onTestFinished } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { realClock } from '../../server/src/clock.ts';
import { Replica } from '../../server/src/replica/replica.ts';
import { serveUpgrades } from '../../server/src/upgrades.ts';
import { keyring } from '../../server/test/keyring.ts';
import { prefectApi } from '../src/api/prefect-api.ts';
import { openEvents } from '../src/events/open-events.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What the text is as JSON. */
  readonly body: unknown;
}

export interface AskOptions {
  /** Sent as JSON, with its content type. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly bytes?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** One connection, kept open, over which one request is under way at a time. */
export class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;
  socket: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  ask(method: string, path: string, { body, bytes, headers, signal }: AskOptions = {}): Promise<Answer> {
    const sent = bytes ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const length = sent ? { 'content-length': String(sent.length) } : {};
    return new Promise((resolve, reject) => {
      const outgoing = request({
        port: this.#port,
        host: '127.0.0.1',
        agent: this.#agent,
        method,
        path: `/api${path}`,
        headers: { ...type, ...length, ...headers },
        ...(signal && { signal }),
      });
      outgoing.on('socket', (socket) => {
        this.socket = socket;
      });
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        response.setEncoding('utf8');
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const isJson = response.headers['content-type']?.includes('json');
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, text, body: isJson && text !== '' ? JSON.parse(text) : undefined });
        });
      });
      outgoing.end(sent);
    });
  }

  post(path: string, body: unknown, options: AskOptions = {}): Promise<Answer> {
    return this.ask('POST', path, { ...options, body });
  }

  increment(taskRunId: string, ...names: string[]): Promise<Answer> {
    return this.post('/concurrency_limits/increment', { names, task_run_id: taskRunId });
  }

  decrement(taskRunId: string, ...names: string[]): Promise<Answer> {
    return this.post('/concurrency_limits/decrement', { names, task_run_id: taskRunId });
  }

  /** `slots` of each of these limits of v2. */
  take(how: 'increment' | 'increment-with-lease', names: readonly string[], slots: number, more: object = {}) {
    return this.post(`/v2/concurrency_limits/${how}`, { names, slots, ...more });
  }

  giveBack(names: readonly string[], slots: number): Promise<Answer> {
    return this.post('/v2/concurrency_limits/decrement', { names, slots });
  }

  /** In order, on the side of the client; `server.gone` waits for the other. */
  end(): void {
    this.#agent.destroy();
  }
}

export interface StartOptions {
  readonly store?: MemoryStore;
  readonly journal?: (store: MemoryStore, clock: Clock) => Journal;
  readonly holdSeconds?: number;
  readonly apiKey?: string;
  readonly authString?: string;
  readonly v1LeaseSeconds?: number;
  readonly prefectVersion?: string;
  /** With its events, kept in memory. */
  readonly events?: boolean;
}

export class ApiServer {
  readonly time: VirtualTime;
  readonly replica: Replica;
  readonly #listeners = new Set<() => void>();
  readonly #connections: Connection[] = [];
  /** How many answers have been handed to the operating system. */
  answered = 0;
  readonly #ofServer = new Set<Socket>();
  #port = 0;
  private constructor(replica: Replica, time: VirtualTime) {
    this.replica = replica;
    this.time = time;
  }

  /** Ends with the test. */
  static async start(options: StartOptions = {}): Promise<ApiServer> {
    const { store = new MemoryStore(), journal = (_, clock) => new MemoryJournal(store, clock), ...ofApi } = options;
    const { apiKey, authString } = options;
    const keys = keyring({ apiKey, authString });
    // Events of now are new, so clients that ask for new events get them.
    const time = new VirtualTime(new Date());
    const clock: Clock = {
      monotonicMs: () => time.monotonicMs(),
      wallMs: () => time.wallMs(),
      setTimer: (delayMs, callback) => time.setTimer(delayMs, callback),
      // Batches are written as requests come in, which are real.
      soon: (callback) => realClock.soon(callback),
    };
    const replica = await Replica.start(() => journal(store, clock), clock);
    const server = new ApiServer(replica, time);
    const app = Fastify({ routerOptions: { maxParamLength: 1024 }, forceCloseConnections: true });
    const events = options.events
      ? await openEvents({
          folder: null,
          host: replica,
          keys,
          upstream: null,
          upstreamCredentials: {},
          warn: () => {},
        })
      : undefined;
    // As with an upstream: Prefect's API here never sees the requests that are passed on.
    app.addHook('onRequest', async ({ url }, reply) => {
      if (!url.endsWith('/passed-on')) return;
      reply.hijack();
      reply.raw.end();
    });
    await app.register(prefectApi, {
      prefix: '/api',
      host: replica,
      clock,
      keys,
      ...ofApi,
      routes: events?.routes ?? [],
    });
    serveUpgrades(app.server, events?.upgrades ?? {});
    app.server.on('connection', (socket) => {
      server.#ofServer.add(socket);
      socket.on('close', () => {
        server.#ofServer.delete(socket);
        setImmediate(() => server.#changed());
      });
    });
    app.server.on('request', (_request, response) => {
      response.on('finish', () => {
        server.answered += 1;
        setImmediate(() => server.#changed());
      });
    });
    replica.on({ flushed: () => server.#changed() });
    await app.listen({ host: '127.0.0.1', port: 0 });
    server.#port = (app.server.address() as AddressInfo).port;
    server.close = async () => {
      events?.dropConnections();
      await app.close();
      await events?.close();
      await replica.stop();
      for (const connection of server.#connections) connection.end();
    };
    onTestFinished(() => server.close());
    return server;
  }

  close: () => Promise<void> = async () => {};

  /** `127.0.0.1:40123` */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  connect(): Connection {
    const connection = new Connection(this.#port);
    this.#connections.push(connection);
    return connection;
  }

  /** A connection that never reads. */
  connectDeaf(): Socket {
    const socket = connect(this.#port, '127.0.0.1');
    socket.pause();
    return socket;
  }

  async limit(tag: string, slots: number): Promise<void> {
    await this.connect().post('/concurrency_limits/', { tag, concurrency_limit: slots });
  }

  /** Of v2; answers with its id. */
  async globalLimit(name: string, limit: number, more: object = {}): Promise<string> {
    const made = await this.connect().post('/v2/concurrency_limits/', { name, limit, ...more });
    if (made.status !== 201) throw new Error(`no limit was made: ${made.text}`);
    return (made.body as { id: string }).id;
  }

  /** How much of the limit v2 says is taken. */
  async activeSlots(name: string): Promise<number> {
    const { body } = await this.connect().ask('GET', `/v2/concurrency_limits/${encodeURIComponent(name)}`);
    return (body as { active_slots: number }).active_slots;
  }

  /** Resolves when the server has seen a connection end. */
  async gone(end: () => void): Promise<void> {
    const before = this.connections;
    end();
    await this.until(() => this.connections < before);
  }

  /** The task runs, or other holders, of the tag. */
  holders(tag: string): (string | null)[] {
    return [...this.replica.engine.holders(`tag:${tag}`)].map(({ holder }) => holder.id);
  }

  /** Those who wait for the tag, in their order; with `connected`, those who can be granted. */
  waiters(tag: string, { connected = false } = {}): (string | null)[] {
    const waiters = this.replica.engine.waiters(`tag:${tag}`).filter((waiter) => waiter.connected || !connected);
    return waiters.map(({ holder }) => holder.id);
  }

  /** How many wait whose requests are held open. */
  get held(): number {
    return this.replica.engine.waiters(null).filter(({ connected }) => connected).length;
  }

  /** Connections as the server sees them. */
  get connections(): number {
    return this.#ofServer.size;
  }

  /** Resolves when it has become true. */
  until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
  }

  #changed(): void {
    for (const look of [...this.#listeners]) look();
  }
}
