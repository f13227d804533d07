/**
 * `/api/events/in` of a server with an upstream: what clients send goes on to the upstream, without the events that this
 * server reports itself. To see messages, a WebSocket ends here on both sides; all others pass as bytes (`tunnels.ts`).
 *
 * Messages, pings, pongs and closes go from one end to the other in their order, and neither end is answered by this server:
 * a pong tells a client that the upstream has its events. An end that does not read is not sent more: the other is not read.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';

/** The one that Prefect's servers know. */
const SUBPROTOCOL = 'prefect';
/** What a Prefect server takes, too. A longer message closes the connection with 1009, more frames than `ws` allows with 1008. */
const MESSAGE_BYTES_MAX = 16 * 1_048_576;
/** With more to write than that, an end is not sent more for now. */
const UNSENT_BYTES_MAX = 1_048_576;
const KEEP_ALIVE_MS = 30_000;

const NO_STATUS = 1005;
const ABNORMAL = 1006;

const OPTIONS = { perMessageDeflate: false, maxPayload: MESSAGE_BYTES_MAX, autoPong: false } as const;

/** Opens the upstream's end, for the same sub-protocol as the client asks for. */
export function dialUpstream(
  url: string,
  { headers: asked }: IncomingMessage,
  headers: Readonly<Record<string, string>>,
  handshakeTimeout: number,
): WebSocket {
  const offered = asked['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  const protocols = offered.filter((name) => name === SUBPROTOCOL);
  const far = new WebSocket(url, protocols, { ...OPTIONS, headers, handshakeTimeout });
  far.on('upgrade', ({ socket }) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
  // A breach of the protocol, or a reset: `close` follows.
  far.on('error', () => {});
  return far;
}

export interface NearEnd {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
}

export class EventRelay {
  readonly #drops: (text: string) => boolean;
  readonly #near = new WebSocketServer({
    ...OPTIONS,
    noServer: true,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });

  /** @param drops whether a client's text goes no further */
  constructor(drops: (text: string) => boolean) {
    this.#drops = drops;
  }

  /** Call as the upstream's end opens: what it says first is told from then on. `done` is called once the client's is open. */
  join({ request, socket }: NearEnd, far: WebSocket, done: () => void): void {
    this.#near.handleUpgrade(request, socket, Buffer.alloc(0), (near) => {
      done();
      near.on('error', () => {});
      pass(near, far, this.#drops);
      pass(far, near, () => false);
    });
  }
}

function pass(from: WebSocket, to: WebSocket, drops: (text: string) => boolean): void {
  const written = (): void => {
    if (from.isPaused && to.bufferedAmount <= UNSENT_BYTES_MAX) from.resume();
  };
  const send = (write: () => void): void => {
    if (to.readyState !== WebSocket.OPEN) return;
    write();
    if (to.bufferedAmount > UNSENT_BYTES_MAX) from.pause();
  };
  from.on('message', (data, isBinary) => {
    if (isBinary || !drops(data.toString())) send(() => to.send(data, { binary: isBinary }, written));
  });
  from.on('ping', (data) => send(() => to.ping(data, undefined, written)));
  from.on('pong', (data) => send(() => to.pong(data, undefined, written)));
  from.on('close', (code, reason) => {
    // An end that is not read would not notice that the other closes it.
    if (to.isPaused) to.resume();
    if (code === ABNORMAL) to.terminate();
    else if (code === NO_STATUS) to.close();
    else to.close(code, reason);
  });
}
