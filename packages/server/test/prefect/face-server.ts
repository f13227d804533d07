/** A real server with nothing but Prefect's face, over a replica in memory. The face's time passes as the test says. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Journal, MemoryJournal, MemoryStore } from '@slotkeeper/journal';
import Fastify from 'fastify';
import { onTestFinished } from 'vitest';
import { VirtualTime } from '../../../../test/virtual-time.ts';
import { realClock } from '../../src/clock.ts';
import { prefectFace } from '../../src/prefect/face.ts';
import { Replica } from '../../src/replica.ts';

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

  /** In order. */
  end(): void {
    this.#agent.destroy();
  }
}

export interface StartOptions {
  readonly store?: MemoryStore;
  readonly journal?: (store: MemoryStore) => Journal;
  readonly holdSeconds?: number;
  readonly apiKey?: string;
  readonly v1LeaseSeconds?: number;
}

export class FaceServer {
  readonly time = new VirtualTime();
  readonly replica: Replica;
  readonly #listeners = new Set<() => void>();
  readonly #connections: Connection[] = [];
  /** How many answers have been handed to the operating system. */
  answered = 0;
  readonly #ofServer = new Set<Socket>();
  #port = 0;
  private constructor(replica: Replica) {
    this.replica = replica;
  }

  /** Ends with the test. */
  static async start(options: StartOptions = {}): Promise<FaceServer> {
    const { store = new MemoryStore(), journal = () => new MemoryJournal(store), ...ofFace } = options;
    const replica = await Replica.start(() => journal(store), realClock);
    const server = new FaceServer(replica);
    const app = Fastify({ routerOptions: { maxParamLength: 1024 }, forceCloseConnections: true });
    await app.register(prefectFace, { prefix: '/api', replica, clock: server.time, ...ofFace });
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
      await app.close();
      await replica.stop();
      for (const connection of server.#connections) connection.end();
    };
    onTestFinished(() => server.close());
    return server;
  }

  close: () => Promise<void> = async () => {};

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

  /** The task runs, or other holders, of the tag. */
  holders(tag: string): (string | null)[] {
    return [...this.replica.engine.holders(`tag:${tag}`)].map(({ holder }) => holder.id);
  }

  /** Those who wait for the tag, in their order; with `connected`, those who can be granted. */
  waiters(tag: string, { connected = false } = {}): (string | null)[] {
    const waiters = this.replica.engine.waiters(`tag:${tag}`).filter((waiter) => waiter.connected || !connected);
    return waiters.map(({ holder }) => holder.id);
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
