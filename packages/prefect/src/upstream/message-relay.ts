/**
 * Relays WebSockets message by message where their messages must be read or changed; all others pass as bytes (`tunnels.ts`):
 * - `/api/events/in`: what clients send goes on to the upstream, without the events that this server reports itself.
 * - With Prefect's sub-protocol the client's first message shows a token. It is checked here if this server has a key, and
 *   replaced by the one that the upstream is to see.
 *
 * Messages, pings, pongs and closes go from one end to the other in their order. This server answers neither end: a pong must
 * mean that the upstream has the client's events. While one end does not read, the other end is not read either.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { isAdmitted } from '../api/token-handshake.ts';
import { type Caller, whyNotAll } from '../keys.ts';
import type { UpstreamAccess } from './access.ts';

/** The only sub-protocol that Prefect's servers know. */
const SUBPROTOCOL = 'prefect';
/** The limit of a Prefect server, too. A longer message closes the connection with 1009, more frames than `ws` allows with 1008. */
const MESSAGE_BYTES_MAX = 16 * 1_048_576;
/** While an end has more than this still to be written, the other end is not read. */
const UNSENT_BYTES_MAX = 1_048_576;
const KEEP_ALIVE_MS = 30_000;
/** A client that has shown no token by then is disconnected … */
const ADMIT_MS = 10_000;
/** … and so is one that sends more than this before it has shown one. */
const UNADMITTED_BYTES_MAX = 16_384;

const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

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
  // After a breach of the protocol or a reset, `close` follows, and is handled.
  far.on('error', () => {});
  return far;
}

export interface NearEnd {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
}

/** Whether the client's first message is to show a token. */
export function offersSubprotocol({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol']?.split(',') ?? [];
  return offered.some((name) => name.trim() === SUBPROTOCOL);
}

type Drops = (text: string) => boolean;
type Message = readonly [data: RawData, isBinary: boolean];

export class MessageRelay {
  readonly #access: UpstreamAccess;
  readonly #near = new WebSocketServer({
    ...OPTIONS,
    noServer: true,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });

  constructor(access: UpstreamAccess) {
    this.#access = access;
  }

  /**
   * Joins both ends. Call in the turn in which the upstream's end opens, or its first messages are lost. `done` is called once
   * the client's end is open.
   *
   * @param drops whether a client's message is dropped
   */
  join({ request, socket }: NearEnd, far: WebSocket, drops: Drops, done: () => void): void {
    this.#near.handleUpgrade(request, socket, Buffer.alloc(0), (near) => {
      done();
      near.on('error', () => {});
      pass(near, far, drops, near.protocol === SUBPROTOCOL ? (message) => this.#withTheirToken(message) : undefined);
      pass(far, near, () => false);
    });
  }

  /** Opens the client's end. `admitted` is called once it has shown a token of this server; until then the upstream sees nothing. */
  admit({ request, socket }: NearEnd, admitted: (near: Admitted) => void): void {
    this.#near.handleUpgrade(request, socket, Buffer.alloc(0), (near) => {
      let bytes = 0;
      const count = (chunk: Buffer): void => {
        bytes += chunk.length;
        if (bytes > UNADMITTED_BYTES_MAX) near.terminate();
      };
      const pong = (data: Buffer): void => near.pong(data);
      const late = setTimeout(() => near.close(POLICY_VIOLATION, "Expected 'auth' message"), ADMIT_MS).unref();
      socket.on('data', count);
      near.on('error', () => near.terminate()).on('ping', pong);
      near.once('close', () => clearTimeout(late));
      near.once('message', (data, isBinary) => {
        clearTimeout(late);
        socket.off('data', count);
        near.off('ping', pong);
        const message = parsed(data);
        if (message?.type !== 'auth') return near.close(POLICY_VIOLATION, "Expected 'auth' message");
        const { ours: keys } = this.#access;
        const handshake = { keys, peer: keys.peerOf(request), whyNot: ({ key }: Caller) => whyNotAll(key, 'use') };
        if (isAdmitted(near, message.token, handshake))
          admitted({ near, first: this.#withTheirToken([data, isBinary]) });
      });
    });
  }

  /** Relays the messages of an admitted client once the upstream's end is open. */
  connect({ near, first }: Admitted, far: WebSocket, drops: Drops): void {
    const early: Message[] = [];
    const keep = (...message: Message): void => void early.push(message);
    const gone = (): void => far.terminate();
    near.on('message', keep).once('close', gone);
    // Pauses reading. Messages that were read already still arrive, and are kept.
    near.pause();
    far.once('open', () => {
      near.off('message', keep).off('close', gone);
      for (const [data, isBinary] of [first, ...early]) {
        if (isBinary || !drops(data.toString())) far.send(data, { binary: isBinary });
      }
      pass(near, far, drops);
      pass(far, near, () => false);
      near.resume();
    });
    far.once('unexpected-response', (_asked, answer) => {
      near.resume();
      near.close(TRY_AGAIN_LATER, `The Prefect server answers ${answer.statusCode}`);
      far.terminate();
    });
    far.once('error', () => {
      near.resume();
      near.close(TRY_AGAIN_LATER, 'The Prefect server does not answer');
    });
  }

  #withTheirToken([data, isBinary]: Message): Message {
    const message = parsed(data);
    if (message?.type !== 'auth') return [data, isBinary];
    const token = this.#access.tokenFor(message.token);
    return token === message.token ? [data, isBinary] : [Buffer.from(JSON.stringify({ ...message, token })), isBinary];
  }
}

export interface Admitted {
  readonly near: WebSocket;
  /** Its first message, with the token for the upstream. */
  readonly first: Message;
}

/** Returns undefined if the message is not a JSON object. */
function parsed(data: RawData): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** @param first changes the first message */
function pass(from: WebSocket, to: WebSocket, drops: Drops, first?: (message: Message) => Message): void {
  let changes = first;
  const written = (): void => {
    if (from.isPaused && to.bufferedAmount <= UNSENT_BYTES_MAX) from.resume();
  };
  const send = (write: () => void): void => {
    if (to.readyState !== WebSocket.OPEN) return;
    write();
    if (to.bufferedAmount > UNSENT_BYTES_MAX) from.pause();
  };
  from.on('message', (...message) => {
    const [data, isBinary] = changes?.(message) ?? message;
    changes = undefined;
    if (isBinary || !drops(data.toString())) send(() => to.send(data, { binary: isBinary }, written));
  });
  from.on('ping', (data) => send(() => to.ping(data, undefined, written)));
  from.on('pong', (data) => send(() => to.pong(data, undefined, written)));
  from.on('close', (code, reason) => {
    // A paused end would not notice the close handshake.
    if (to.isPaused) to.resume();
    if (code === ABNORMAL) to.terminate();
    else if (code === NO_STATUS) to.close();
    else to.close(code, reason);
  });
}
