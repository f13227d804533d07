/**
 * A whole Prefect server behind this one: what it is asked goes there, and what it answers comes back untouched.
 *
 * Each request has a connection of its own to it. One that was kept open may be closed by the upstream in the moment in which
 * it is used again, and then nobody knows whether a request that changes something has been carried out.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http, { type ClientRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import https from 'node:https';
import type { Duplex, Transform } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import type { Upgrade } from '../host.ts';
import { isProbe, type UpstreamAccess } from './access.ts';
import type { UpstreamAddress } from './address.ts';
import { type IsOurs, isOurMessage, withoutOurEvents } from './foreign-events.ts';
import { byName, framingOf, headersHere, headersThere, type RawHeaders } from './headers.ts';
import { dialUpstream, MessageRelay, offersSubprotocol } from './message-relay.ts';
import { pathOf, targetOf } from './own-paths.ts';
import { responseOn, Tunnels } from './tunnels.ts';
import { asksForSettings, SettingsHere } from './ui-settings.ts';

/** A machine that does not answer at all is given up after that. */
const CONNECT_MS = 10_000;
/**
 * A longer body is sent only when the upstream wants it: one that refuses it closes the connection, and a client that
 * then still writes does not learn why.
 */
const BODY_BYTES_AT_ONCE = 65_536;
/** One that says nothing to that is sent it. */
const CONTINUE_MS = 1_000;
/** So long may answers that are under way take at the end. */
const CLOSE_MS = 2_000;
/** As Prefect's server says it. */
export const UNAUTHORIZED = { exception_message: 'Unauthorized' };
const EVENTS_IN = /^\/api\/events\/in\/?$/;
const EVENTS = /^\/api\/events\/?$/;

export interface UpstreamOptions {
  readonly address: UpstreamAddress;
  readonly access: UpstreamAccess;
  /** What clients tell of these is kept back. */
  readonly isOurs: IsOurs;
  readonly log: (level: 'info' | 'warn', message: string) => void;
  /** Is called when it has answered for the first time. */
  readonly answered?: () => void;
}

/** A request whose body has been read already. */
export interface ReadRequest {
  readonly body: Buffer;
  /** What is answered, without a body, if the upstream does not answer; 502 with the reason unless told. */
  readonly statusWhenAway?: number;
}

/** How a request or its answer differ from what came. */
interface Changes {
  /** Of the request's body. */
  readonly framing?: RawHeaders;
  /** Names of the request's header that stay here. */
  readonly without?: readonly string[];
  /** What the answer's body goes through. */
  readonly through?: Transform;
  /** What is answered, without a body, if the upstream does not answer; 502 with the reason unless told. */
  readonly statusWhenAway?: number;
}

/** An answer that is compressed, or that there is no need for, cannot be changed. */
const UNCHANGEABLE = ['accept-encoding', 'if-none-match', 'if-modified-since'];

/** What is agreed on by each end of a WebSocket for itself. */
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
  /** How it is named to servers on the way, and detects itself. */
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

  /** @param url as it was asked for */
  admits(request: IncomingMessage, url: string | undefined): boolean {
    return isProbe(request, targetOf(url)) || this.#options.access.admits(request);
  }

  /**
   * Passes a request on, and its answer back.
   *
   * @param url as it was asked for
   * @param read all of its body, if it has been read already, and what is answered while the upstream is away
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
    // Clients come back at once, and nobody would end what is opened now.
    if (this.#isClosed) return void socket.destroy();
    if (this.#isCircle(request)) return this.#refuseCircle(responseOn(request, socket));
    const target = targetOf(request.url);
    const { access } = this.#options;
    const isAdmitted = access.admits(request);
    const showsToken = offersSubprotocol(request);
    if (!isAdmitted && !showsToken) return answerWith(responseOn(request, socket), 401, UNAUTHORIZED);
    this.#tunnels.begin(socket, head);
    if (!isAdmitted) this.#relayOnceAdmitted(request, socket, target);
    else if (EVENTS_IN.test(pathOf(target)) || (showsToken && access.replaces))
      this.#relayMessages(request, socket, target);
    else this.#tunnel(request, socket, target);
  };

  /** Nothing reaches the upstream before the client's first message has shown a token of this server. */
  #relayOnceAdmitted(request: IncomingMessage, socket: Duplex, target: string): void {
    this.#tunnels.handOver(socket);
    this.#messages.admit({ request, socket }, (near) => {
      const far = this.#dial(request, target);
      this.#messages.connect(near, far, this.#dropsOn(target));
      far.once('open', () => this.#told(true));
      far.once('error', (error) => this.#told(false, this.#noAnswer(error)));
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
      this.#told(true);
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
      this.#told(true);
      this.#tunnels.handOver(socket);
      this.#messages.join({ request, socket }, far, this.#dropsOn(target), () => socket.off('close', gone));
    });
    far.once('unexpected-response', (_asked, answer) => this.#relay(request, responseOn(request, socket), answer));
  }

  /** Ends what is under way: WebSockets at once, answers when they are complete, or soon. */
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
    // The body is to come before the upstream is asked.
    if (request.headers.expect !== undefined) response.writeContinue();
    const posted = await withoutOurEvents(request, this.#options.isOurs).catch(() => undefined);
    if (posted === undefined) return void response.destroy();
    const { bytes, isComplete, isChanged } = posted;
    const asked = this.#send(request, response, target, isChanged ? { framing: lengthOf(bytes) } : {});
    asked.write(bytes);
    if (isComplete) asked.end();
    else pour(request, asked, false);
  }

  /** The caller sends the body. */
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
      // A status that HTTP does not know.
      answer.destroy();
      this.#fail(response, error as Error);
      return;
    }
    this.#told(true);
    // The header goes now, and as bytes: texts would be UTF-8.
    response.write(Buffer.alloc(0));
    answer.once('error', () => response.destroy());
    (through ? answer.pipe(through) : answer).pipe(response);
  }

  #fail(response: ServerResponse, error: NodeJS.ErrnoException, statusWhenAway?: number): void {
    if (response.headersSent || response.destroyed) return;
    const what = this.#noAnswer(error);
    this.#told(false, what);
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

  /** Says so when it goes away, and when it is back. */
  #told(isThere: boolean, what = `The Prefect server at ${this.#url} answers again.`): void {
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
 * Sends a body on as it comes, as fast as it is taken. What is not taken any more is still read: the answer comes after it.
 *
 * @param isAsked whether the upstream is asked first if it wants it
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

/** Also one that is answered before all of its body has been taken: it is then no more destroyed than done. */
function drop(asked: ClientRequest): void {
  asked.destroy();
  asked.socket?.destroy();
}

function lengthOf(body: Buffer): RawHeaders {
  return ['Content-Length', String(body.length)];
}

function answerWith(response: ServerResponse, status: number, content: object): void {
  const body = JSON.stringify(content);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  response.writeHead(status, STATUS_CODES[status], headers);
  response.end(body);
}
