/** A Prefect API as far as a client can tell, in memory: what a test cannot make a real server do on demand. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export interface Asked<Body> {
  /** The last part of the path. */
  readonly path: string;
  readonly url: string;
  readonly body: Body;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  /** Undefined: none. */
  readonly body?: unknown;
}

/** What to do with a request in place of the usual: a promise holds it, `cut` ends the connection without an answer. */
export type Script<Body> = (usual: () => Answer, asked: Asked<Body>) => Answer | 'cut' | Promise<Answer | 'cut'>;

export interface ToldEvent {
  readonly id: string;
  readonly event: string;
  readonly follows: string | null;
  readonly resource: Record<string, string>;
  readonly related: Record<string, string>[];
}

export abstract class ScriptedApi<Body> {
  /** Changes in the order in which they came. */
  readonly asked: Asked<Body>[] = [];
  readonly events: ToldEvent[] = [];
  /** One for each coming request of that path; the usual answer once they are used up. */
  abstract readonly scripts: Readonly<Record<string, Script<Body>[]>>;
  /** The answer to `/csrf-token`. */
  csrf: Answer = { status: 422, body: { detail: 'CSRF protection is disabled.' } };
  /** What becomes of an upgrade at `/events/in`. */
  eventsIn: 'taken' | 'refused' | 'cut after the first event' = 'taken';
  eventConnections = 0;
  retryAfter = '0';
  readonly #http = createServer((request, response) => void this.#answer(request, response));
  readonly #webSockets = new WebSocketServer({ noServer: true });

  protected abstract usual(asked: Asked<Body>): Answer;

  async listen(): Promise<this> {
    this.#http.on('upgrade', (request, socket, head) => {
      this.eventConnections += 1;
      if (this.eventsIn === 'refused') return void socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#listen(webSocket));
    });
    this.#http.listen(0, '127.0.0.1');
    await once(this.#http, 'listening');
    return this;
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
    const url = request.url?.split('?')[0] ?? '';
    const answer = request.method === 'GET' ? this.#read(url) : await this.#change(url, request);
    if (answer === 'cut') return void response.destroy();
    response.writeHead(answer.status, { 'Content-Type': 'application/json', ...answer.headers });
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }

  #read(url: string): Answer {
    return url === '/api/csrf-token' ? this.csrf : { status: 404, body: { detail: 'Not Found' } };
  }

  async #change(url: string, request: IncomingMessage): Promise<Answer | 'cut'> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const path = url.slice(url.lastIndexOf('/') + 1);
    const asked = { path, url, body: JSON.parse(text), headers: request.headers };
    this.asked.push(asked);
    const usual = () => this.usual(asked);
    const script = this.scripts[path]?.shift();
    return script === undefined ? usual() : script(usual, asked);
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
