/**
 * A whole Prefect server behind this one: requests are passed on to it, and its answers come back untouched.
 *
 * Each request uses a connection of its own to the upstream. The upstream may close a kept connection at the moment in which
 * it is used again, and then nobody knows whether a request that changes something was carried out.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http, { type ClientRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import https from 'node:https';
import type { Duplex, Transform } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { PrefectError } from '../api/answers.ts';
import { admitted, permitAll } from '../api/authentication.ts';
import type { Upgrade } from '../host.ts';
import { type Shown, untilKeyEnds, whyNotAll } from '../keys.ts';
import { isProbe, rightFor, type UpstreamAccess } from './access.ts';
import type { UpstreamAddress } from './address.ts';
import { type IsOurs, isOurMessage, withoutOurEvents } from './foreign-events.ts';
import { byName, framingOf, headersHere, headersThere, type RawHeaders } from './headers.ts';
import { dialUpstream, MessageRelay, offersSubprotocol } from './message-relay.ts';
import { pathOf, targetOf } from './own-paths.ts';
import { responseOn, Tunnels } from './tunnels.ts';
import { asksForSettings, SettingsHere } from './ui-settings.ts';

/** How long a connection to the upstream may take. */
const CONNECT_MS = 10_000;
/**
 * A longer body is sent only once the upstream asks for it (`100 Continue`). An upstream that refuses a body closes the
 * connection, and a client that is still writing then would not learn why.
 */
const BODY_BYTES_AT_ONCE = 65_536;
/** If the upstream does not answer `Expect` by then, the body is sent. */
const CONTINUE_MS = 1_000;
/** How long `close` waits for answers that are under way. */
const CLOSE_MS = 2_000;
const EVENTS_IN = /^\/api\/events\/in\/?$/;
const EVENTS = /^\/api\/events\/?$/;

export interface UpstreamOptions {
  readonly address: UpstreamAddress;
  readonly access: UpstreamAccess;
  /** Clients' events of these names are not passed on. */
  readonly isOurs: IsOurs;
  readonly log: (level: 'info' | 'warn', message: string) => void;
  /** Called when the upstream has answered for the first time. */
  readonly answered?: () => void;
}

/** The body of a request that has been read already. */
export interface ReadRequest {
  readonly body: Buffer;
  /** The status, without a body, if the upstream does not answer. Default: 502 with the reason. */
  readonly statusWhenAway?: number;
}

/** How the request or the answer that is passed on differs from the one received. */
interface Changes {
  /** The headers that say where the request's body ends. */
  readonly framing?: RawHeaders;
  /** Names of the request's headers that are not passed on. */
  readonly without?: readonly string[];
  /** Changes the answer's body. */
  readonly through?: Transform;
  /** The status, without a body, if the upstream does not answer. Default: 502 with the reason. */
  readonly statusWhenAway?: number;
}

/** Not passed on where the answer's body is to be changed: with these it could be compressed, or left out (304). */
const UNCHANGEABLE = ['accept-encoding', 'if-none-match', 'if-modified-since'];

/** Headers that each end of a WebSocket negotiates for itself. */
const OF_WEBSOCKETS = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
];

export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #url: string;
  readonly #transport: typeof http | typeof https;
  readonly #agent: http.Agent;
  readonly #tunnels = new Tunnels();
  readonly #messages: MessageRelay;
  readonly #answering = new Set<ServerResponse>();
  /** This server's name in `Via`, by which it detects that an upstream leads back to it. */
  readonly #name = `slotkeeper-${randomUUID()}`;
  #isAway = false;
  #hasAnswered = false;
  #isClosed = false;

  constructor(options: UpstreamOptions) {
    const { origin, prefix } = options.address;
    this.#options = options;
    this.#url = origin + prefix;
    this.#transport = origin.startsWith('https:') ? https : http;
    this.#agent = new this.#transport.Agent({ keepAlive: false });
    this.#messages = new MessageRelay(options.access);
  }

  /**
   * Rejects with a `PrefectError` if the client may not ask for that.
   *
   * @param url as the client sent it
   */
  async admit(request: IncomingMessage, url: string | undefined): Promise<void> {
    const target = targetOf(url);
    const shown = isProbe(request, target) ? undefined : this.#options.access.ofRequest(request);
    if (shown) permitAll(await admitted(shown), rightFor(request.method, target));
  }

  /**
   * Passes a request on, and its answer back.
   *
   * @param url as the client sent it
   * @param read its body, if that has been read already, and the status to answer while the upstream is away
   */
  forward(request: IncomingMessage, response: ServerResponse, url: string | undefined, read?: ReadRequest): void {
    this.#answering.add(response);
    response.once('close', () => this.#answering.delete(response));
    const target = targetOf(url);
    const path = pathOf(target);
    if (this.#isCircle(request)) this.#refuseCircle(response);
    else if (read) this.#send(request, response, target, { framing: lengthOf(read.body), ...read }).end(read.body);
    else if (request.method === 'POST' && EVENTS.test(path)) void this.#forwardEvents(request, response, target);
    else if (asksForSettings(request.method, path)) {
      this.#send(request, response, target, { framing: [], without: UNCHANGEABLE, through: new SettingsHere() }).end();
    } else this.#forwardBody(request, response, target);
  }

  readonly upgrade: Upgrade = (request, socket, head) => {
    // Clients reconnect at once, and `close` has ended the tunnels already: nobody would end this one.
    if (this.#isClosed) return void socket.destroy();
    if (this.#isCircle(request)) return this.#refuseCircle(responseOn(request, socket));
    const target = targetOf(request.url);
    const { access } = this.#options;
    const shown = access.ofRequest(request);
    const showsToken = offersSubprotocol(request);
    this.#tunnels.begin(socket, head);
    if (shown?.is === 'missing' && showsToken) return this.#relayOnceAdmitted(request, socket, target);
    if (shown && (shown.is !== 'admitted' || whyNotAll(shown.caller.key, 'use') !== undefined))
      return void this.#refuse(request, socket, shown);
    if (shown)
      socket.once(
        'close',
        untilKeyEnds(shown.caller, () => socket.destroy()),
      );
    if (EVENTS_IN.test(pathOf(target)) || (showsToken && access.replaces)) this.#relayMessages(request, socket, target);
    else this.#tunnel(request, socket, target);
  };

  /** Answers a request for a WebSocket with its refusal, once that may be sent. */
  async #refuse(request: IncomingMessage, socket: Duplex, shown: Shown): Promise<void> {
    try {
      permitAll(await admitted(shown), 'use');
    } catch (error) {
      if (!(error instanceof PrefectError)) throw error;
      if (!socket.destroyed) answerWith(responseOn(request, socket), error.status, error.body, error.headers);
    }
  }

  /** Lets nothing reach the upstream until the client's first message has shown a token of this server. */
  #relayOnceAdmitted(request: IncomingMessage, socket: Duplex, target: string): void {
    this.#tunnels.handOver(socket);
    this.#messages.admit({ request, socket }, (near) => {
      const far = this.#dial(request, target);
      this.#messages.connect(near, far, this.#dropsOn(target));
      far.once('open', () => this.#noteUpstream(true));
      far.once('error', (error) => this.#noteUpstream(false, this.#noAnswer(error)));
    });
  }

  #dial(request: IncomingMessage, target: string): WebSocket {
    const { address, access } = this.#options;
    const authorization = access.authorizationFor(request.headers.authorization);
    const headers = byName(headersThere(request, address, this.#name, authorization, OF_WEBSOCKETS));
    return dialUpstream(this.#url + target, request, headers, CONNECT_MS);
  }

  #dropsOn(target: string): (text: string) => boolean {
    const { isOurs } = this.#options;
    return EVENTS_IN.test(pathOf(target)) ? (text) => isOurMessage(text, isOurs) : () => false;
  }

  #tunnel(request: IncomingMessage, socket: Duplex, target: string): void {
    const upgrade = ['Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? 'websocket'];
    const asked = this.#ask(request, target, upgrade);
    const gone = (): unknown => asked.destroy();
    socket.once('close', gone);
    asked.on('upgrade', (agreement, far, farHead) => {
      socket.off('close', gone);
      this.#noteUpstream(true);
      this.#tunnels.open({ near: socket, far, farHead, agreement });
    });
    asked.on('response', (answer) => this.#relay(request, responseOn(request, socket), answer));
    asked.on('error', (error) => {
      if (!socket.destroyed) this.#fail(responseOn(request, socket), error);
    });
    asked.end();
  }

  #relayMessages(request: IncomingMessage, socket: Duplex, target: string): void {
    const far = this.#dial(request, target);
    const gone = (): void => far.terminate();
    socket.once('close', gone);
    const refused = (error: Error): void => {
      if (!socket.destroyed) this.#fail(responseOn(request, socket), error);
    };
    far.once('error', refused);
    far.once('open', () => {
      far.off('error', refused);
      this.#noteUpstream(true);
      this.#tunnels.handOver(socket);
      this.#messages.join({ request, socket }, far, this.#dropsOn(target), () => socket.off('close', gone));
    });
    far.once('unexpected-response', (_asked, answer) => this.#relay(request, responseOn(request, socket), answer));
  }

  /** Ends WebSockets at once, and waits a short time for answers that are under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#tunnels.close();
    const late = new AbortController();
    const answered = Promise.all([...this.#answering].map((response) => once(response, 'close')));
    await Promise.race([answered, delay(CLOSE_MS, undefined, { signal: late.signal }).catch(() => {})]);
    late.abort();
  }

  #forwardBody(request: IncomingMessage, response: ServerResponse, target: string): void {
    const isAsked = isLong(request) && request.headers.expect === undefined;
    const framing = isAsked ? [...framingOf(request), 'Expect', '100-continue'] : framingOf(request);
    pour(request, this.#send(request, response, target, { framing }), isAsked);
  }

  async #forwardEvents(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    // The body is read before the upstream is asked, so the client must send it now.
    if (request.headers.expect !== undefined) response.writeContinue();
    const posted = await withoutOurEvents(request, this.#options.isOurs).catch(() => undefined);
    if (posted === undefined) return void response.destroy();
    const { bytes, isComplete, isChanged } = posted;
    const asked = this.#send(request, response, target, isChanged ? { framing: lengthOf(bytes) } : {});
    asked.write(bytes);
    if (isComplete) asked.end();
    else pour(request, asked, false);
  }

  /** Sends the headers and relays the answer. The caller sends the body. */
  #send(request: IncomingMessage, response: ServerResponse, target: string, changes: Changes = {}): ClientRequest {
    const asked = this.#ask(request, target, changes.framing ?? framingOf(request), changes.without);
    response.once('close', () => drop(asked));
    if (request.headers.expect !== undefined) asked.on('continue', () => response.writeContinue());
    asked.on('response', (answer) => this.#relay(request, response, answer, changes.through));
    asked.on('upgrade', (_answer, socket) => {
      socket.destroy();
      this.#fail(response, new Error('it changed the protocol unasked'));
    });
    asked.on('error', (error) => this.#fail(response, error, changes.statusWhenAway));
    return asked;
  }

  #ask(request: IncomingMessage, target: string, more: RawHeaders, without: readonly string[] = []): ClientRequest {
    const { address, access } = this.#options;
    const authorization = access.authorizationFor(request.headers.authorization);
    const asked = this.#transport.request(address.origin, {
      agent: this.#agent,
      method: request.method ?? 'GET',
      path: address.prefix + target,
      headers: [...headersThere(request, address, this.#name, authorization, without), ...more],
    });
    const late = setTimeout(() => asked.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)), CONNECT_MS);
    const inTime = (): void => clearTimeout(late);
    asked.once('close', inTime);
    asked.once('socket', (socket) => socket.once(this.#transport === https ? 'secureConnect' : 'connect', inTime));
    return asked;
  }

  #relay(request: IncomingMessage, response: ServerResponse, answer: IncomingMessage, through?: Transform): void {
    const { statusCode = 502, statusMessage } = answer;
    const without = through ? ['content-length', 'etag', 'last-modified'] : [];
    const headers = headersHere(answer, this.#options.address, request.headers.host, without);
    response.sendDate = false;
    try {
      response.writeHead(statusCode, statusMessage, headers);
    } catch (error) {
      // Node refuses a status that HTTP does not have.
      answer.destroy();
      this.#fail(response, error as Error);
      return;
    }
    this.#noteUpstream(true);
    // Sends the headers now. With a first chunk of text Node would encode them as UTF-8, with bytes it does not.
    response.write(Buffer.alloc(0));
    answer.once('error', () => response.destroy());
    (through ? answer.pipe(through) : answer).pipe(response);
  }

  #fail(response: ServerResponse, error: NodeJS.ErrnoException, statusWhenAway?: number): void {
    if (response.headersSent || response.destroyed) return;
    const what = this.#noAnswer(error);
    this.#noteUpstream(false, what);
    if (statusWhenAway !== undefined) {
      response.writeHead(statusWhenAway).end();
      return;
    }
    answerWith(response, 502, {
      detail: `${what} Concurrency limits go on working; for all else start it, or correct --upstream.`,
    });
  }

  #noAnswer(error: NodeJS.ErrnoException): string {
    return `The Prefect server at ${this.#url} did not answer (${error.code ?? error.message}).`;
  }

  #isCircle({ headers }: IncomingMessage): boolean {
    return headers.via?.includes(this.#name) ?? false;
  }

  #refuseCircle(response: ServerResponse): void {
    answerWith(response, 508, { detail: `${this.#url} leads back to this server: correct --upstream.` });
  }

  /** Logs when the upstream stops answering, and when it answers again. */
  #noteUpstream(isThere: boolean, what = `The Prefect server at ${this.#url} answers again.`): void {
    if (isThere && !this.#hasAnswered) {
      this.#hasAnswered = true;
      this.#options.answered?.();
    }
    if (isThere !== this.#isAway) return;
    this.#isAway = !isThere;
    this.#options.log(isThere ? 'info' : 'warn', what);
  }
}

function isLong({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > BODY_BYTES_AT_ONCE;
}

/**
 * Passes a body on as it arrives, as fast as the upstream reads it. Once the upstream reads no more, the rest is read and
 * dropped: the client reads the answer only after it has sent its body.
 *
 * @param isAsked whether the upstream is asked first if it wants the body
 */
function pour(request: IncomingMessage, asked: ClientRequest, isAsked: boolean): void {
  const begin = (): void => void request.pipe(asked);
  const late = isAsked ? setTimeout(begin, CONTINUE_MS) : undefined;
  const isAnswered = (): void => clearTimeout(late);
  if (!isAsked) begin();
  else asked.once('response', isAnswered).once('continue', isAnswered).once('continue', begin);
  asked.once('close', () => {
    isAnswered();
    request.unpipe(asked);
    request.resume();
  });
}

/** Destroys the socket as well: Node keeps it open for a request that was answered before its body was complete. */
function drop(asked: ClientRequest): void {
  asked.destroy();
  asked.socket?.destroy();
}

function lengthOf(body: Buffer): RawHeaders {
  return ['Content-Length', String(body.length)];
}

function answerWith(
  response: ServerResponse,
  status: number,
  content: unknown,
  more: Record<string, string> = {},
): void {
  const body = JSON.stringify(content);
  const headers = { ...more, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  response.writeHead(status, STATUS_CODES[status], headers);
  response.end(body);
}
