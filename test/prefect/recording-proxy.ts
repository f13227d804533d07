/** Stands between a client and its server, writes down what they say, and can stop a request on its way. */
import { once } from 'node:events';
import { request as ask, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface Exchange {
  /** `POST /api/v2/concurrency_limits/` */
  readonly request: string;
  readonly body: string;
  /** null: not answered yet. */
  status: number | null;
}

export class RecordingProxy implements AsyncDisposable {
  readonly exchanges: Exchange[] = [];
  readonly #server: Server;
  readonly #target: URL;
  #stop: { pattern: RegExp; seen: () => void; goesOn: Promise<void> } | null = null;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((request, response) => this.#forward(request, response));
    // Events are not what it is for: a WebSocket is refused, and Prefect's client does without.
    this.#server.on('upgrade', (_request, socket) => socket.destroy());
  }

  /** @param target the server's address, without a path */
  static async start(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next request that matches waits here. Resolves when it has come, to what lets it go on. */
  async stopped(pattern: RegExp): Promise<() => void> {
    const { promise: goesOn, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: come, resolve: seen } = Promise.withResolvers<void>();
    this.#stop = { pattern, seen, goesOn };
    await come;
    return goOn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange: Exchange = {
      request: `${request.method} ${request.url}`,
      body: (await buffer(request)).toString(),
      status: null,
    };
    this.exchanges.push(exchange);
    await this.#mayStop(exchange);
    const { hostname, port } = this.#target;
    const { method, url: path, headers } = request;
    const onward = ask({ hostname, port, method, path, headers }, (answer) => {
      exchange.status = answer.statusCode ?? 0;
      response.writeHead(exchange.status, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end(exchange.body);
  }

  async #mayStop({ request }: Exchange): Promise<void> {
    if (!this.#stop?.pattern.test(request)) return;
    const { seen, goesOn } = this.#stop;
    this.#stop = null;
    seen();
    await goesOn;
  }
}
