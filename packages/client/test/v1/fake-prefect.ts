/** Prefect's v1 API as far as a client can tell, in memory: what a test cannot make a real server do on demand. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export interface Asked {
  readonly path: string;
  readonly body: { readonly names: string[]; readonly task_run_id: string; readonly occupancy_seconds?: number };
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: unknown;
}

/** What to do with a request in place of the usual: a promise holds it, `cut` ends the connection without an answer. */
export type Script = (usual: () => Answer, asked: Asked) => Answer | 'cut' | Promise<Answer | 'cut'>;

export interface ToldEvent {
  readonly id: string;
  readonly event: string;
  readonly follows: string | null;
  readonly resource: Record<string, string>;
  readonly related: Record<string, string>[];
}

export class FakePrefect {
  readonly limits = new Map<string, number>();
  /** Holders by tag, one entry for each slot. */
  readonly holders = new Map<string, string[]>();
  /** Changes in the order in which they came. */
  readonly asked: Asked[] = [];
  readonly events: ToldEvent[] = [];
  /** One for each coming request of that path; the usual answer once they are used up. */
  readonly scripts = { increment: [] as Script[], decrement: [] as Script[] };
  /** The answer to `/csrf-token`. */
  csrf: Answer = { status: 422, body: { detail: 'CSRF protection is disabled.' } };
  /** What becomes of an upgrade at `/events/in`. */
  eventsIn: 'taken' | 'refused' | 'cut after the first event' = 'taken';
  eventConnections = 0;
  retryAfter = '0';
  readonly #http = createServer((request, response) => void this.#answer(request, response));
  readonly #webSockets = new WebSocketServer({ noServer: true });

  static async start(): Promise<FakePrefect> {
    const fake = new FakePrefect();
    fake.#http.on('upgrade', (request, socket, head) => {
      fake.eventConnections += 1;
      if (fake.eventsIn === 'refused') return void socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      fake.#webSockets.handleUpgrade(request, socket, head, (webSocket) => fake.#listen(webSocket));
    });
    fake.#http.listen(0, '127.0.0.1');
    await once(fake.#http, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/api`;
  }

  paths(): string[] {
    return this.asked.map(({ path }) => path);
  }

  async stop(): Promise<void> {
    for (const webSocket of this.#webSockets.clients) webSocket.terminate();
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? '';
    const answer = request.method === 'GET' ? this.#read(path) : await this.#change(path, request);
    if (answer === 'cut') return void response.destroy();
    response.writeHead(answer.status, { 'Content-Type': 'application/json', ...answer.headers });
    response.end(JSON.stringify(answer.body));
  }

  #read(path: string): Answer {
    return path === '/api/csrf-token' ? this.csrf : { status: 404, body: { detail: 'Not Found' } };
  }

  async #change(path: string, request: IncomingMessage): Promise<Answer | 'cut'> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const name = path.endsWith('/increment') ? 'increment' : 'decrement';
    const asked = { path: name, body: JSON.parse(text), headers: request.headers };
    this.asked.push(asked);
    const usual = () => (name === 'increment' ? this.#increment(asked) : this.#decrement(asked));
    const script = this.scripts[name].shift();
    return script === undefined ? usual() : script(usual, asked);
  }

  #increment({ body }: Asked): Answer {
    const known = body.names.filter((name) => this.limits.has(name));
    const zero = known.find((name) => this.limits.get(name) === 0);
    if (zero !== undefined) return { status: 423, body: { detail: `The concurrency limit on tag "${zero}" is 0` } };
    if (known.some((name) => this.#holdersOf(name).length >= (this.limits.get(name) ?? 0))) {
      return { status: 423, headers: { 'Retry-After': this.retryAfter }, body: { detail: 'full' } };
    }
    for (const name of known) this.#holdersOf(name).push(body.task_run_id);
    return { status: 200, body: known.map((name) => ({ id: `id-of-${name}`, name, limit: this.limits.get(name) })) };
  }

  #decrement({ body }: Asked): Answer {
    for (const name of body.names) {
      const left = this.#holdersOf(name).filter((holder) => holder !== body.task_run_id);
      this.holders.set(name, left);
    }
    return { status: 200, body: [] };
  }

  #holdersOf(name: string): string[] {
    const holders = this.holders.get(name) ?? [];
    this.holders.set(name, holders);
    return holders;
  }

  #listen(webSocket: WebSocket): void {
    webSocket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.type === 'auth') return webSocket.send('{"type":"auth_success"}');
      this.events.push(message);
      if (this.eventsIn === 'cut after the first event') {
        this.eventsIn = 'taken';
        webSocket.terminate();
      }
    });
  }
}
