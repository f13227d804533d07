/** One connection to a Prefect server's `/events/in`. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { authorizationOf, type Credentials } from '@slotkeeper/protocol/prefect';
import { proxyTo } from '@slotkeeper/protocol/proxy';
import { WebSocket } from 'ws';

/** How long the server may take for each step: the upgrade, the handshake, a pong. */
const ANSWER_MS_MAX = 5_000;
/** The close code for a wrong token. */
const POLICY_VIOLATION = 1008;

/** The server does not want our events; to try again is of no use. */
export class EventsRefusedError extends Error {
  override readonly name = 'EventsRefusedError';
}

export class EventSocket {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;

  private constructor(webSocket: WebSocket, socket: Socket) {
    this.#webSocket = webSocket;
    this.#socket = socket;
  }

  /** @throws {EventsRefusedError} if there is no such path or the credentials are wrong */
  static async open(apiUrl: string, credentials: Credentials): Promise<EventSocket> {
    const authorization = authorizationOf(credentials);
    const webSocket = new WebSocket(`${apiUrl.replace(/^http/, 'ws')}/events/in`, 'prefect', {
      headers: authorization === undefined ? {} : { Authorization: authorization },
      perMessageDeflate: false,
      agent: proxyTo(apiUrl)?.agent,
    });
    webSocket.on('error', () => undefined);
    let refusal: EventsRefusedError | undefined;
    let socket: Socket | undefined;
    webSocket.once('upgrade', (response) => {
      socket = response.socket;
    });
    webSocket.once('unexpected-response', (_request, { statusCode = 0 }) => {
      if (statusCode < 500) refusal = new EventsRefusedError(`${webSocket.url} answers with ${statusCode}`);
      webSocket.terminate();
    });
    try {
      await received(webSocket, 'open');
      webSocket.send(JSON.stringify({ type: 'auth', token: credentials.authString ?? null }));
      const answer = String(await received(webSocket, 'message'));
      if (JSON.parse(answer).type !== 'auth_success') throw new EventsRefusedError(`not authenticated: ${answer}`);
      if (socket === undefined) throw new Error('a WebSocket opened without an upgrade');
      return new EventSocket(webSocket, socket);
    } catch (error) {
      webSocket.terminate();
      throw refusal ?? error;
    }
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === WebSocket.OPEN;
  }

  /** Sends the events and waits until the server has them: it answers a ping after all that came before it. */
  async deliver(events: readonly unknown[]): Promise<void> {
    for (const event of events) this.#webSocket.send(JSON.stringify(event));
    this.#webSocket.ping();
    await received(this.#webSocket, 'pong');
  }

  /** Whether this connection keeps the process alive. */
  keepAlive(needed: boolean): void {
    if (needed) this.#socket.ref();
    else this.#socket.unref();
  }

  async close(): Promise<void> {
    if (this.#webSocket.readyState === WebSocket.CLOSED) return;
    this.keepAlive(true);
    const closed = once(this.#webSocket, 'close');
    const timer = setTimeout(() => this.#webSocket.terminate(), ANSWER_MS_MAX);
    this.#webSocket.close();
    await closed;
    clearTimeout(timer);
  }

  terminate(): void {
    this.#webSocket.terminate();
  }
}

/** The next event of that name, unless the connection ends before or nothing comes in time. */
async function received(webSocket: WebSocket, event: 'open' | 'message' | 'pong'): Promise<unknown> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new Error(`no ${event} within ${ANSWER_MS_MAX / 1000} s`)), ANSWER_MS_MAX);
  const options = { signal: over.signal };
  const ended = once(webSocket, 'close', options).then(([code, reason]) => {
    const text = `closed with ${code} ${reason}`;
    throw code === POLICY_VIOLATION ? new EventsRefusedError(text) : new Error(text);
  });
  try {
    const [data] = await Promise.race([once(webSocket, event, options), ended]);
    return data;
  } catch (error) {
    throw over.signal.aborted ? over.signal.reason : error;
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
