/**
 * WebSockets as Prefect's clients open them for events. With the sub-protocol `prefect` the client's first message shows a
 * token. Older clients do not use it, and have no way to show one.
 */
import type { IncomingMessage } from 'node:http';
import { Pongs } from '@slotkeeper/protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { type Handshake, isAdmitted } from '../../api/token-handshake.ts';
import type { Upgrade } from '../../host.ts';
import type { Peer } from '../../keys.ts';

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

export interface EventSocketOptions extends Omit<Handshake, 'peer'> {
  /** Takes over an admitted connection. It must add its listeners at once, or it misses the client's first messages. */
  readonly open: (socket: WebSocket) => void;
}

export function eventSockets(options: EventSocketOptions): EventSockets {
  const { keys, open } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // A pong means to the client that what it sent before is stored, so `Pongs` answers pings.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    // A client without the sub-protocol cannot show a token.
    verifyClient: ({ req }, answer) => answer(!keys.isGuarded || offersSubprotocol(req), 403),
  });
  let isClosed = false;
  return {
    upgrade(request, socket, head) {
      if (isClosed) return void socket.destroy();
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        keepAlive(webSocket);
        if (webSocket.protocol === SUBPROTOCOL) expectToken(webSocket, keys.peerOf(request), options);
        else open(webSocket);
      });
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

function expectToken(socket: WebSocket, peer: Peer, options: EventSocketOptions): void {
  const pongs = new Pongs(socket);
  const answerPing = (data: Buffer): void => pongs.answer(data);
  socket.on('ping', answerPing);
  const late = setTimeout(() => socket.close(POLICY_VIOLATION, "Expected 'auth' message"), AUTH_MS).unref();
  socket.once('close', () => clearTimeout(late));
  socket.once('message', (data) => {
    clearTimeout(late);
    const message = parseMessage(data);
    if (message === undefined) return socket.terminate();
    if (message.type !== 'auth') return socket.close(POLICY_VIOLATION, "Expected 'auth' message");
    if (!isAdmitted(socket, message.token, { ...options, peer })) return;
    socket.off('ping', answerPing);
    socket.send(JSON.stringify({ type: 'auth_success' }));
    options.open(socket);
  });
}

function keepAlive(socket: WebSocket): void {
  socket.on('error', () => socket.terminate());
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

/** Returns undefined if the message is not JSON, and an object without fields if it is not an object. */
export function parseMessage(data: RawData): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return undefined;
  }
}
