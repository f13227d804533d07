/**
 * WebSockets as Prefect's clients open them for events. With the sub-protocol `prefect` the client's first message shows a
 * token. Older clients do not use it, and have no way to show one.
 */
import type { IncomingMessage } from 'node:http';
import { isKey, Pongs } from '@slotkeeper/protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Upgrade } from '../../host.ts';

const SUBPROTOCOL = 'prefect';
const POLICY_VIOLATION = 1008;
const MAX_PAYLOAD_BYTES = 1_048_576;
/** A client that has shown no token by then is disconnected. */
const AUTH_MS = 10_000;
/** The interval of pings. A client that has not answered the last one is disconnected. */
const PING_MS = 30_000;

export interface EventSockets {
  readonly upgrade: Upgrade;
  /** Drops all connections and accepts no more, since a client reconnects at once. */
  close(): void;
}

export interface EventSocketOptions {
  /** A client must show one of these. If there are none, anybody may connect. */
  readonly tokens: readonly string[];
  /** Takes over an admitted connection. It must add its listeners at once, or it misses the client's first messages. */
  readonly open: (socket: WebSocket) => void;
}

export function eventSockets({ tokens, open }: EventSocketOptions): EventSockets {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // A pong means to the client that what it sent before is stored, so `Pongs` answers pings.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    // A client without the sub-protocol cannot show a token.
    verifyClient: ({ req }, answer) => answer(tokens.length === 0 || offersSubprotocol(req), 403),
  });
  let isClosed = false;
  return {
    upgrade(request, socket, head) {
      if (isClosed) return void socket.destroy();
      sockets.handleUpgrade(request, socket, head, (webSocket) => accept(webSocket, tokens, open));
    },
    close() {
      isClosed = true;
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

function offersSubprotocol({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol']?.split(',') ?? [];
  return offered.some((name) => name.trim() === SUBPROTOCOL);
}

function accept(socket: WebSocket, tokens: readonly string[], open: (socket: WebSocket) => void): void {
  socket.on('error', () => socket.terminate());
  keepAlive(socket);
  if (socket.protocol === SUBPROTOCOL) expectToken(socket, tokens, open);
  else open(socket);
}

function expectToken(socket: WebSocket, tokens: readonly string[], open: (socket: WebSocket) => void): void {
  const pongs = new Pongs(socket);
  const answerPing = (data: Buffer): void => pongs.answer(data);
  socket.on('ping', answerPing);
  const late = setTimeout(() => socket.close(POLICY_VIOLATION, "Expected 'auth' message"), AUTH_MS).unref();
  socket.once('close', () => clearTimeout(late));
  socket.once('message', (data) => {
    clearTimeout(late);
    socket.off('ping', answerPing);
    if (isAuthentic(socket, data, tokens)) {
      socket.send(JSON.stringify({ type: 'auth_success' }));
      open(socket);
    }
  });
}

function keepAlive(socket: WebSocket): void {
  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  const pings = setInterval(() => {
    if (!isAlive) socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_MS).unref();
  socket.once('close', () => clearInterval(pings));
}

function isAuthentic(socket: WebSocket, data: RawData, tokens: readonly string[]): boolean {
  const message = parseMessage(data);
  if (message === undefined) socket.terminate();
  else if (message.type !== 'auth') socket.close(POLICY_VIOLATION, "Expected 'auth' message");
  else if (tokens.length === 0) return true;
  else if (!message.token) socket.close(POLICY_VIOLATION, 'Auth required but no token provided');
  else if (!isOneOf(tokens, message.token)) socket.close(POLICY_VIOLATION, 'Invalid token');
  else return true;
  return false;
}

function isOneOf(tokens: readonly string[], given: unknown): boolean {
  return typeof given === 'string' && tokens.some((token) => isKey(given, token));
}

/** Returns undefined if the message is not JSON, and an object without fields if it is not an object. */
export function parseMessage(data: RawData): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return undefined;
  }
}
