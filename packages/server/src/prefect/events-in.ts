/**
 * `/api/events/in`, where Prefect's clients send their events. A client that cannot send them complains for as long as it
 * runs. The journal has a fact for each grant and each end of a lease, whoever held it, so what clients tell of the same is
 * read and not kept, as by a stock server that runs without its services.
 */
import type { IncomingMessage } from 'node:http';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { isKey } from '../api-key.ts';
import { refuse, type Upgrade } from '../upgrades.ts';

const SUBPROTOCOL = 'prefect';
const POLICY_VIOLATION = 1008;
const MAX_PAYLOAD_BYTES = 1_048_576;
/** A client that has shown no key by then is closed. */
const AUTH_MS = 10_000;
/** One that has not answered the last ping is gone. */
const PING_MS = 30_000;

export interface EventsIn {
  readonly upgrade: Upgrade;
  close(): void;
}

export function eventsIn(apiKey: string | null): EventsIn {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  return {
    upgrade(request, socket, head) {
      // Without the sub-protocol there is no handshake, and so nobody to ask for the key.
      if (apiKey !== null && !offersSubprotocol(request)) refuse(socket, '403 Forbidden');
      else sockets.handleUpgrade(request, socket, head, (webSocket) => receive(webSocket, apiKey));
    },
    close() {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

function offersSubprotocol({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol']?.split(',') ?? [];
  return offered.some((name) => name.trim() === SUBPROTOCOL);
}

function receive(socket: WebSocket, apiKey: string | null): void {
  socket.on('error', () => socket.terminate());
  // Events are read, so that the client may go on sending; pings are answered by the socket itself.
  socket.on('message', () => {});
  keepAlive(socket);
  if (socket.protocol !== SUBPROTOCOL) return;
  const late = setTimeout(() => socket.close(POLICY_VIOLATION, "Expected 'auth' message"), AUTH_MS).unref();
  socket.once('close', () => clearTimeout(late));
  socket.once('message', (data) => {
    clearTimeout(late);
    authenticate(socket, data, apiKey);
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

function authenticate(socket: WebSocket, data: RawData, apiKey: string | null): void {
  const message = parse(data);
  if (message === undefined) socket.terminate();
  else if (message.type !== 'auth') socket.close(POLICY_VIOLATION, "Expected 'auth' message");
  else if (apiKey !== null && !message.token) socket.close(POLICY_VIOLATION, 'Auth required but no token provided');
  else if (apiKey !== null && !isKey(String(message.token), apiKey)) socket.close(POLICY_VIOLATION, 'Invalid token');
  else socket.send(JSON.stringify({ type: 'auth_success' }));
}

function parse(data: RawData): { readonly type?: unknown; readonly token?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return undefined;
  }
}
