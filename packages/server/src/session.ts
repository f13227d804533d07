/**
 * The server's end of one connection of the session protocol (packages/protocol/src/messages.ts).
 *
 *   greeting ── hello ──▶ listing ── ready ──▶ open ── bye ──▶ leaving ── durable ──▶ closing
 *      └── a wrong key ──▶ refusing ── a while ──▶ closed
 *      └───────────┴───────── a breach, a displacement, the end of the connection ──▶ closed
 *
 * A breach of the protocol ends the connection. An invalid request is refused, and the connection goes on.
 * The client's frames are acknowledged once all that they asked for is durable.
 */
import type { AcquireRequest, Claim, Notice, Refusal } from '@slotkeeper/engine';
import { type Caller, type Keys, type Peer, type Shown, untilKeyEnds } from '@slotkeeper/prefect';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type ClientMessage,
  type Clock,
  checkAcquire,
  checkHello,
  commonVersion,
  FIRST_VERSION,
  invalidRequest,
  noCommonVersion,
  ProtocolError,
  type ServerFrame,
  type ServerMessage,
  VERSIONS,
  type Versions,
  type WireError,
} from '@slotkeeper/protocol';
import type { Stage } from './bytes-before-open.ts';
import { Calls } from './calls.ts';
import { whyNoAcquire } from './keys/rights.ts';
import { seenRefusal } from './keys/seen.ts';
import type { Outcome } from './replica/outcome.ts';
import type { Replica } from './replica/replica.ts';
import { acquireRequest } from './requests.ts';
import { grantAtWall, refusalAtWall } from './wall-times.ts';

/** A connection on which hello and ready have not arrived by then is closed. */
const GREETING_MS = 10_000;
/**
 * So many connections may be greeting or listing, since each may cost a frame of 4 MiB before it has shown a key. A client's
 * greeting takes one round trip, so beyond this number the connection that has taken longest is closed. So connections that
 * send nothing cannot keep others out.
 */
const GREETING_MAX = 256;
/** How much a returning client may list: twice what the engine lets a session hold or wait for. */
const LISTED_MAX = 200_000;
/** A client that does not read is disconnected when so much is waiting to be sent to it. */
const UNREAD_BYTES_MAX = 16 * 1_048_576;

type Mode = 'greeting' | 'refusing' | 'listing' | 'open' | 'leaving' | 'closing' | 'closed';
type Hello = Extract<ClientMessage, { readonly type: 'hello' }>;

export interface SessionServerOptions {
  readonly replica: Replica;
  readonly clock: Clock;
  readonly version: string;
  readonly keys: Keys;
  /** The versions of the session protocol. Default: those of this release. */
  readonly versions?: Versions;
}

/** All connections of a replica: after each of its batches, those with something to send write one frame. */
export class SessionServer {
  readonly options: SessionServerOptions;
  readonly #connections = new Set<Connection>();
  /** Connections of other processes that are not open yet, the oldest first. At most `GREETING_MAX`. */
  readonly #greeting = new Set<Connection>();
  /** Connections with something to send. */
  #dirty: Connection[] = [];
  #isClosing = false;

  constructor(options: SessionServerOptions) {
    this.options = options;
    options.replica.on({
      flushed: () => this.#flush(),
      failed: () => this.#farewell(LOST),
    });
  }

  /**
   * Serves a new connection: `open` is given what receives its frames, and returns where to send. `peer`: where it comes
   * from; one of this process ends with it. `entered` is called as its hello is accepted, and as it is open. Returns what turns
   * it away because it sends too much before that.
   */
  accept(
    open: (events: ChannelEvents<ClientFrame>) => Channel<ServerFrame>,
    peer: Peer,
    entered: (stage: Stage) => void = () => {},
  ): () => void {
    const connection = new Connection(this, open, peer, entered);
    this.#connections.add(connection);
    if (peer.address !== null) this.#makeRoomFor(connection);
    // This connection was on its way while the others were closed.
    if (this.#isClosing) this.#farewell(CLOSING);
    return () => connection.end(TOO_MUCH, true);
  }

  /** Sends goodbye to all clients, which will try to come back. */
  close(): void {
    this.#isClosing = true;
    this.#farewell(CLOSING);
  }

  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
  }

  opened(connection: Connection): void {
    this.#greeting.delete(connection);
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#greeting.delete(connection);
  }

  #makeRoomFor(connection: Connection): void {
    const [oldest] = this.#greeting;
    if (oldest && this.#greeting.size >= GREETING_MAX) oldest.end(CROWDED, true);
    this.#greeting.add(connection);
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) {
      connection.isDirty = false;
      connection.write();
    }
  }

  #farewell(error: WireError): void {
    for (const connection of [...this.#connections]) connection.end(error, true);
  }
}

class Connection implements ChannelEvents<ClientFrame> {
  readonly #server: SessionServer;
  readonly #channel: Channel<ServerFrame>;
  readonly #peer: Peer;
  readonly #entered: (stage: Stage) => void;
  readonly #sink = (notice: Notice): void => this.#handle(notice);
  #mode: Mode = 'greeting';
  #hello: Hello | null = null;
  /** Known with the hello. */
  #caller: Caller | null = null;
  #untilKeyEnds: (() => void) | undefined;
  /** The protocol version, as agreed with the hello. */
  #version = FIRST_VERSION;
  #claims: Claim[] = [];
  #waits: AcquireRequest[] = [];
  #outbox: ServerMessage[] = [];
  readonly #calls: Calls;
  /** Whether the connection writes after this batch. */
  isDirty = false;
  #received = 0;
  #durable = 0;

  constructor(
    server: SessionServer,
    open: (events: ChannelEvents<ClientFrame>) => Channel<ServerFrame>,
    peer: Peer,
    entered: (stage: Stage) => void,
  ) {
    this.#server = server;
    this.#peer = peer;
    this.#entered = entered;
    this.#calls = new Calls(server.options.replica, {
      send: (answer) => this.#send(answer),
      lost: () => this.end(LOST, true),
    });
    this.#channel = open(this);
    server.options.clock.setTimer(GREETING_MS, () => {
      if (this.#mode !== 'greeting' && this.#mode !== 'listing') return;
      // The client may have been suspended, or be far away: it may try again.
      this.end(invalidRequest({ field: 'hello', reason: `and ready must come within ${GREETING_MS / 1000} s` }), true);
    });
  }

  frame(frame: ClientFrame): void {
    if (this.#isOver) return;
    if (!this.#server.options.replica.ready) {
      this.end(STARTING, true);
      return;
    }
    try {
      this.#read(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.end(error.wireError, false);
    }
  }

  garbled(problem: ProtocolError): void {
    if (!this.#isOver) this.end(problem.wireError, false);
  }

  closed(): void {
    if (this.#mode === 'closed') return;
    const { replica } = this.#server.options;
    if ((this.#mode === 'open' || this.#mode === 'leaving') && this.#hello) {
      replica.submit({ type: 'session.lost', sessionId: this.#hello.sessionId, connection: this.#hello.connection });
    }
    this.#forget();
  }

  /** Writes the messages that are waiting, and the acknowledgement. */
  write(): void {
    if (this.#mode === 'closed') return;
    const messages = this.#outbox;
    this.#outbox = [];
    this.#channel.send({ ack: this.#durable, messages });
    if (this.#channel.bufferedBytes > UNREAD_BYTES_MAX) {
      // A client that does not read would not read a goodbye either.
      this.closed();
      this.#channel.close();
      return;
    }
    if (this.#mode === 'closing') this.#channel.close();
    else if (this.#mode === 'open') this.#calls.written();
  }

  /** Sends goodbye and closes. */
  end(error: WireError, retry: boolean): void {
    if (this.#mode === 'closed') return;
    this.#send({ type: 'goodbye', error, retry });
    this.write();
    this.closed();
    this.#channel.close();
  }

  #forget(): void {
    this.#mode = 'closed';
    this.#untilKeyEnds?.();
    if (this.#hello) this.#server.options.replica.detach(this.#hello.sessionId, this.#sink);
    this.#server.forget(this);
  }

  #read({ number, messages }: ClientFrame): void {
    const isPart = number === 0;
    if (!isPart && number !== this.#received + 1) {
      throw new ProtocolError('frame number', `must be ${this.#received + 1}, but was ${number}`);
    }
    for (const message of messages) {
      // Nothing counts after a goodbye of either end, or after the message at which the replica failed.
      if (this.#isOver || !this.#server.options.replica.ready) break;
      this.#carryOut(message);
    }
    if (isPart) return;
    this.#received = number;
    this.#acknowledge(number);
  }

  #acknowledge(number: number): void {
    const { replica } = this.#server.options;
    const settled = (outcome: Outcome): void => {
      if (outcome.is === 'lost') this.end(LOST, true);
      this.#durable = number;
      this.#server.markDirty(this);
    };
    if (this.#mode === 'open' && this.#hello) {
      const { sessionId: session, connection } = this.#hello;
      replica.submit({ type: 'session.alive', sessionId: session, connection }, settled);
    } else if (this.#mode !== 'closed') {
      replica.confirm(settled);
    }
  }

  #carryOut(message: ClientMessage): void {
    if (this.#mode === 'greeting') {
      if (message.type !== 'hello') throw new ProtocolError('first message', `must be hello, but was ${message.type}`);
      this.#greet(message);
    } else if (this.#mode === 'listing') {
      this.#list(message);
    } else {
      this.#serve(message, this.#hello as Hello);
    }
  }

  #greet(hello: Hello): void {
    const { keys, versions = VERSIONS } = this.#server.options;
    const offered = { min: hello.versionMin, max: Math.max(hello.versionMin, hello.versionMax) };
    const version = commonVersion(versions, offered);
    if (version === undefined) {
      // The client may come back: it keeps its leases meanwhile, and a server that it can talk to may be here by then.
      this.end(noCommonVersion(versions, offered), true);
      return;
    }
    this.#version = version;
    const shown = keys.ofToken(this.#peer, hello.apiKey);
    if (shown.is !== 'admitted') {
      this.#turnAway(shown);
      return;
    }
    const problem = checkHello(hello);
    if (problem) throw new ProtocolError(problem.field, problem.reason);
    if (hello.ttlMs === null && !this.#isOfThisProcess)
      throw new ProtocolError('hello.ttlMs', 'must be a number of a client in another process');
    this.#hello = hello;
    this.#caller = shown.caller;
    // With another key, or with other rights of this one, the client may come back.
    this.#untilKeyEnds = untilKeyEnds(shown.caller, () => this.end(KEY_ENDED, true));
    this.#mode = 'listing';
    this.#entered('listing');
  }

  /** Nothing else that comes is looked at. */
  #turnAway(shown: Exclude<Shown, { is: 'admitted' }>): void {
    this.#mode = 'refusing';
    if (shown.is === 'missing') this.end(unauthorized('This server asks for an API key, and none was given.'), false);
    else if (shown.is === 'crowded') this.end(WRONG_KEYS, true);
    else void shown.refusable.then(() => this.end(unauthorized('The API key is not this server’s.'), false));
  }

  #list(message: ClientMessage): void {
    if (this.#claims.length + this.#waits.length > LISTED_MAX) {
      throw new ProtocolError('claims and acquires before ready', `must be ${LISTED_MAX} at the most`);
    }
    if (message.type === 'claim') this.#claims.push([message.leaseId, message.token]);
    else if (message.type === 'acquire') this.#waits.push(message.request);
    else if (message.type === 'ready') this.#open(this.#hello as Hello);
    else throw new ProtocolError('message', `before ready must be claim or acquire, but was ${message.type}`);
  }

  #open(hello: Hello): void {
    const { replica, version } = this.#server.options;
    const { sessionId: session, connection, ttlMs } = hello;
    // On its first connection a session cannot have had a place in the wait queue.
    const isFirst = connection === 1;
    const waits = this.#waits
      .filter((request) => this.#isAllowed(request))
      .map((request) => acquireRequest(request, isFirst ? null : request.place));
    const { by } = this.#caller as Caller;
    const lifeline = this.#isOfThisProcess ? 'process' : 'heartbeat';
    const leases = this.#claims;
    this.#claims = [];
    this.#waits = [];
    // A connection that this one displaces is notified and closed within this call.
    const refusal = replica.submit(
      { type: 'session.open', sessionId: session, connection, lifeline, ttlMs, leases, waits, origin: 'session', by },
      (outcome) => {
        // Its frame's acknowledgement is lost, too, and ends the connection.
        if (outcome.is === 'lost') return;
        if (outcome.refusal) this.end(outcome.refusal, outcome.refusal.code === 'QUEUE_FULL');
        else this.#outbox.unshift({ type: 'welcome', server: version, ttlMs, version: this.#version });
        this.#server.markDirty(this);
      },
      this.#sink,
    );
    if (refusal || this.#mode === 'closed') return;
    this.#mode = 'open';
    this.#server.opened(this);
    this.#entered('open');
  }

  #serve(message: ClientMessage, hello: Hello): void {
    const { replica } = this.#server.options;
    const { sessionId: session, connection } = hello;
    switch (message.type) {
      case 'acquire':
        if (this.#isAllowed(message.request))
          // Only a returning waiter may claim a place: a new acquire gets one from the server.
          replica.submit({
            type: 'acquire',
            sessionId: session,
            request: acquireRequest(message.request, null),
            by: (this.#caller as Caller).by,
          });
        return;
      case 'release':
        replica.submit({ type: 'release', sessionId: session, leaseId: message.leaseId, token: message.token });
        return;
      case 'cancel':
        replica.submit({ type: 'cancel', sessionId: session, leaseId: message.leaseId });
        return;
      case 'call':
        this.#calls.answer(message, this.#caller as Caller);
        return;
      case 'bye':
        this.#mode = 'leaving';
        replica.submit({ type: 'session.close', sessionId: session, connection }, ({ is }) => {
          if (is === 'lost') return;
          this.#mode = 'closing';
          this.#server.markDirty(this);
        });
        return;
      default:
        throw new ProtocolError('message', `after ready must not be ${message.type}`);
    }
  }

  get #isOfThisProcess(): boolean {
    return this.#peer.address === null;
  }

  get #isOver(): boolean {
    return this.#mode === 'refusing' || this.#mode === 'leaving' || this.#mode === 'closing' || this.#mode === 'closed';
  }

  #isAllowed(request: AcquireRequest): boolean {
    const problem = checkAcquire(request);
    const { replica } = this.#server.options;
    const error = problem ? invalidRequest(problem) : whyNoAcquire(this.#caller as Caller, request, replica);
    if (error) this.#send({ type: 'refused', leaseId: request.leaseId, error });
    return !error;
  }

  #handle(notice: Notice): void {
    const { aheadMs } = this.#server.options.replica;
    switch (notice.type) {
      case 'granted':
        this.#send({ type: 'granted', leaseId: notice.leaseId, grant: grantAtWall(notice.grant, aheadMs) });
        return;
      case 'queued':
        this.#send({ type: 'queued', leaseId: notice.leaseId, place: notice.place });
        return;
      case 'refused':
      case 'ended':
        this.#send({
          type: notice.type,
          leaseId: notice.leaseId,
          error: refusalAtWall(this.#seen(notice.refusal), aheadMs),
        });
        return;
      case 'disconnect':
        this.end(notice.reason === 'displaced' ? DISPLACED : LAPSED, notice.reason === 'lapsed');
        return;
    }
  }

  #seen(refusal: Refusal): Refusal {
    const { replica } = this.#server.options;
    return replica.ready ? seenRefusal(this.#caller as Caller, refusal, replica.engine.state) : refusal;
  }

  #send(message: ServerMessage): void {
    this.#outbox.push(message);
    this.#server.markDirty(this);
  }
}

const unauthorized = (message: string): WireError => ({ code: 'AUTH', message, details: {} });
const unreachable = (message: string): WireError => ({ code: 'SERVER_UNREACHABLE', message, details: {} });

const CLOSING = unreachable('The server is closing.');
const CROWDED = unreachable('Too many connections to the server have not said hello yet. Try again.');
const KEY_ENDED = unreachable('The API key was removed from this server, or its rights were changed.');
const WRONG_KEYS = unreachable('Too many wrong API keys come from this address. Try again.');
const TOO_MUCH = unreachable('Connections that are not open yet have sent more than the server takes. Try again.');
const STARTING = unreachable('The server is starting. Try again.');
const LOST = unreachable('The server has to start again from its journal. Nothing that was acknowledged is lost.');

const DISPLACED: WireError = {
  code: 'CONFLICT',
  message: 'Another connection has taken this session over: is its id used by two processes?',
  details: {},
};

const LAPSED = unreachable('There was no sign of life of this client for its time to live.');
