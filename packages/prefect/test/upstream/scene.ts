/** A server of the test's own behind a real front, and clients that see what bytes say. All of it ends with the test. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import Fastify from 'fastify';
import { onTestFinished } from 'vitest';
import { serveUpgrades, WEBSOCKETS_ONLY } from '../../../server/src/upgrades.ts';
import { keyring } from '../../../server/test/keyring.ts';
import { UpstreamAccess } from '../../src/upstream/access.ts';
import { upstreamAddress } from '../../src/upstream/address.ts';
import { standInFront } from '../../src/upstream/front.ts';
import { Upstream } from '../../src/upstream/upstream.ts';

/** The server behind. */
export async function startBehind(listener: RequestListener = () => {}): Promise<{ server: Server; url: string }> {
  const server = createServer({ requestTimeout: 0 }, listener);
  return { server, url: await listening(server) };
}

export interface Front {
  readonly url: string;
  readonly port: number;
  readonly log: readonly string[];
  /** The connection that was opened last, as the front has it. */
  lastSocket(): Socket;
  close(): Promise<void>;
}

/** A front with two routes of its own: one for limits, and one for the renewal of a lease that it does not know. */
export async function startFront(upstreamUrl: string): Promise<Front> {
  const log: string[] = [];
  const upstream = new Upstream({
    address: upstreamAddress(upstreamUrl)!,
    access: new UpstreamAccess({ ours: keyring(), theirs: {}, isOpen: false }),
    isOurs: ({ event }) => event.startsWith('ours.'),
    log: (level, message) => void log.push(`${level} ${message}`),
  });
  const app = Fastify({ forceCloseConnections: true, http: WEBSOCKETS_ONLY });
  standInFront(app, upstream);
  serveUpgrades(app.server, {}, upstream.upgrade);
  app.post('/api/concurrency_limits/filter', (_request, reply) => reply.send([]));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
  app.post('/api/v2/concurrency_limits/leases/:id/renew', (_request, reply) =>
    reply.code(410).send({ detail: 'gone' }),
  );
  let last: Socket | undefined;
  app.server.on('connection', (socket) => {
    last = socket;
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => app.close());
  return { url, port: Number(new URL(url).port), log, lastSocket: () => last!, close: () => app.close() };
}

/** Both, and the front in front. */
export async function start(
  listener?: RequestListener,
): Promise<Front & { readonly server: Server; readonly behind: string }> {
  const { server, url } = await startBehind(listener);
  return { ...(await startFront(url)), server, behind: url };
}

export interface Answer {
  readonly status: number;
  readonly statusMessage: string;
  readonly message: IncomingMessage;
  readonly body: Buffer;
  /** The body as JSON. */
  json(): unknown;
}

export interface Asked {
  readonly method?: string;
  /** With their case, and twice if they are. */
  readonly headers?: readonly string[];
  readonly body?: Buffer | string;
}

export async function ask(
  { port }: { port: number },
  path: string,
  { method = 'GET', headers = [], body }: Asked = {},
) {
  const length = body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))];
  const host = headers.some((name) => name.toLowerCase() === 'host') ? [] : ['Host', `127.0.0.1:${port}`];
  const asked = request({
    port,
    host: '127.0.0.1',
    agent: false,
    method,
    path,
    headers: [...host, ...headers, ...length],
  });
  asked.end(body);
  const [message] = (await once(asked, 'response')) as [IncomingMessage];
  return await answerOf(message);
}

export async function answerOf(message: IncomingMessage): Promise<Answer> {
  const body = await buffer(message);
  const { statusCode: status = 0, statusMessage = '' } = message;
  return { status, statusMessage, message, body, json: () => JSON.parse(body.toString()) };
}

/** A connection for what no library sends. */
export class RawClient {
  readonly socket: Socket;
  #received = '';

  constructor({ port }: { readonly port: number }) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text) => {
      this.#received += text;
    });
    onTestFinished(() => void this.socket.destroy());
  }

  send(...lines: readonly string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
  }

  /** All that has come, once it has in it what is looked for. Rejects if the connection ends without. */
  async received(pattern: RegExp | string): Promise<string> {
    while (!(typeof pattern === 'string' ? this.#received.includes(pattern) : pattern.test(this.#received))) {
      if (this.socket.destroyed) throw new Error(`the connection ended with: ${this.#received}`);
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')]);
    }
    return this.#received;
  }

  async ended(): Promise<string> {
    if (!this.socket.destroyed) await once(this.socket, 'close');
    return this.#received;
  }
}

/** On a free port, until the test ends. */
export async function listening(server: NetServer): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
