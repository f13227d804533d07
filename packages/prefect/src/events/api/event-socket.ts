/**
 * WebSockets as Prefect's clients open them for events: with the sub-protocol `prefect` the first message shows a token,
 * without it (older clients) there is no handshake, and so nobody to ask for one.
 */
import type { IncomingMessage } from 'node:http';
import { isKey, Pongs } from '@slotkeeper/protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Upgrade } from '../../host.ts';

const SUBPROTOCOL = 'prefect';
const POLICY_VIOLATION = 1008;
const MAX_PAYLOAD_BYTES = 1_048_576;
/** A client that has shown no token by then is closed. */
const AUTH_MS = 10_000;
/** One that has not answered the last ping is gone. */
const PING_MS = 30_000;

export interface EventSockets {
  readonly upgrade: Upgrade;
  /** Drops all connections, and takes no more: a client connects again at once. */
  close(): void;
}

export interface EventSocketOptions {
  /** Clients show one of these; without any, everybody who can connect may. */
  readonly tokens: readonly string[];
  /** Takes over a connection that may be used. What it has sent is told to listeners that are added at once. */
  readonly open: (socket: WebSocket) => void;
}

export function eventSockets({ tokens, open }: EventSocketOptions): EventSockets {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // A pong tells the client that what it sent before has been kept.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    // Without the sub-protocol there is no handshake in which a client could show its token.
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

/** Undefined if it is no JSON; without fields if it is no object. */
export function parseMessage(data: RawData): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return undefined;
  }
}
