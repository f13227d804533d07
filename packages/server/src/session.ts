/**
 * The server's end of one connection of the session protocol (packages/protocol/src/messages.ts).
 *
 *   greeting ── hello ──▶ listing ── ready ──▶ open ── bye ──▶ leaving ── durable ──▶ closing
 *      └───────────┴───────── a breach, a displacement, the end of the connection ──▶ closed
 *
 * A breach of the protocol ends the connection; a request that is not allowed is refused, and the connection goes on.
 * The client's frames are acknowledged once all that they asked for is durable.
 */
import type { Claim, Notice } from '@slotkeeper/engine';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type ClientMessage,
  type Clock,
  checkAcquire,
  checkHello,
  invalidRequest,
  isKey,
  PROTOCOL_VERSION,
  ProtocolError,
  type ServerFrame,
  type ServerMessage,
  type WireAcquire,
  type WireError,
} from '@slotkeeper/protocol';
import { Calls } from './calls.ts';
import type { Outcome } from './replica/outcome.ts';
import type { Replica } from './replica/replica.ts';
import { acquireRequest } from './requests.ts';

/** A connection that has not said hello and ready by then is closed. */
const GREETING_MS = 10_000;
/** What a client may list as it comes back: twice what the engine lets one hold or wait for. */
const LISTED_MAX = 200_000;
/** A client that does not read is closed when so much waits for it. */
const UNREAD_BYTES_MAX = 16 * 1_048_576;

type Mode = 'greeting' | 'listing' | 'open' | 'leaving' | 'closing' | 'closed';
type Hello = Extract<ClientMessage, { readonly type: 'hello' }>;

export interface SessionsOptions {
  readonly replica: Replica;
  readonly clock: Clock;
  readonly version: string;
  readonly apiKey: string | null;
}

/** All connections of a replica: after each of its batches, those with something to say write one frame. */
export class SessionFace {
  readonly options: SessionsOptions;
  readonly #connections = new Set<Connection>();
  /** With something to say. */
  #dirty: Connection[] = [];
  #isClosing = false;

  constructor(options: SessionsOptions) {
    this.options = options;
    options.replica.on({
      flushed: () => this.#flush(),
      failed: () => this.#farewell(LOST),
    });
  }

  /**
   * Serves a new connection: `open` is given what is to hear its frames, and returns where to send. `local`: the other end
   * is in this process, and ends with it.
   */
  accept(open: (events: ChannelEvents<ClientFrame>) => Channel<ServerFrame>, local = false): void {
    const connection = new Connection(this, open, local);
    this.#connections.add(connection);
    // It was on its way as the server said goodbye.
    if (this.#isClosing) this.#farewell(CLOSING);
  }

  /** Says goodbye to all clients, who will try to come back. */
  close(): void {
    this.#isClosing = true;
    this.#farewell(CLOSING);
  }

  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
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
  readonly #face: SessionFace;
  readonly #channel: Channel<ServerFrame>;
  readonly #local: boolean;
  readonly #sink = (notice: Notice): void => this.#hear(notice);
  #mode: Mode = 'greeting';
  #hello: Hello | null = null;
  #claims: Claim[] = [];
  #waits: WireAcquire[] = [];
  #outbox: ServerMessage[] = [];
  readonly #calls: Calls;
  /** It is to write after the batch. */
  isDirty = false;
  #received = 0;
  #durable = 0;

  constructor(face: SessionFace, open: (events: ChannelEvents<ClientFrame>) => Channel<ServerFrame>, local: boolean) {
    this.#face = face;
    this.#local = local;
    this.#calls = new Calls(face.options.replica, {
      say: (answer) => this.#say(answer),
      lost: () => this.end(LOST, true),
    });
    this.#channel = open(this);
    face.options.clock.setTimer(GREETING_MS, () => {
      if (this.#mode !== 'greeting' && this.#mode !== 'listing') return;
      // It may have been suspended, or far away: that it is slow is no breach.
      this.end(invalidRequest({ field: 'hello', reason: `and ready must come within ${GREETING_MS / 1000} s` }), true);
    });
  }

  frame(frame: ClientFrame): void {
    if (this.#isOver) return;
    if (!this.#face.options.replica.ready) {
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
    const { replica } = this.#face.options;
    if ((this.#mode === 'open' || this.#mode === 'leaving') && this.#hello) {
      replica.submit({ type: 'session.lost', sessionId: this.#hello.sessionId, connection: this.#hello.connection });
    }
    this.#forget();
  }

  /** Writes what is to be said, and what is acknowledged. */
  write(): void {
    if (this.#mode === 'closed') return;
    const messages = this.#outbox;
    this.#outbox = [];
    this.#channel.send({ ack: this.#durable, messages });
    if (this.#channel.bufferedBytes > UNREAD_BYTES_MAX) {
      // Whoever does not read hears no goodbye either.
      this.closed();
      this.#channel.close();
      return;
    }
    if (this.#mode === 'closing') this.#channel.close();
    else if (this.#mode === 'open') this.#calls.written();
  }

  /** Says goodbye and closes. */
  end(error: WireError, retry: boolean): void {
    if (this.#mode === 'closed') return;
    this.#say({ type: 'goodbye', error, retry });
    this.write();
    this.closed();
    this.#channel.close();
  }

  #forget(): void {
    this.#mode = 'closed';
    if (this.#hello) this.#face.options.replica.detach(this.#hello.sessionId, this.#sink);
    this.#face.forget(this);
  }

  #read({ number, messages }: ClientFrame): void {
    const isPart = number === 0;
    if (!isPart && number !== this.#received + 1) {
      throw new ProtocolError('frame number', `must be ${this.#received + 1}, but was ${number}`);
    }
    for (const message of messages) {
      // What comes after a goodbye, of either end, is not looked at; nor is what follows the message at which the replica failed.
      if (this.#isOver || !this.#face.options.replica.ready) break;
      this.#carryOut(message);
    }
    if (isPart) return;
    this.#received = number;
    this.#acknowledge(number);
  }

  #acknowledge(number: number): void {
    const { replica } = this.#face.options;
    const settled = (outcome: Outcome): void => {
      if (outcome.is === 'lost') this.end(LOST, true);
      this.#durable = number;
      this.#face.markDirty(this);
    };
    if (this.#mode === 'open' && this.#hello) {
      const { sessionId: session, connection } = this.#hello;
      replica.submit({ type: 'session.heard', sessionId: session, connection }, settled);
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
    if (hello.version !== PROTOCOL_VERSION) {
      throw new ProtocolError('hello.version', `must be ${PROTOCOL_VERSION}, but was ${hello.version}`);
    }
    const { apiKey } = this.#face.options;
    if (apiKey !== null && !isKey(hello.apiKey ?? '', apiKey)) {
      const message =
        hello.apiKey === null
          ? 'This server asks for an API key (apiKey, SLOTKEEPER_API_KEY).'
          : 'The API key is not this server’s.';
      this.end({ code: 'AUTH', message, details: {} }, false);
      return;
    }
    const problem = checkHello(hello);
    if (problem) throw new ProtocolError(problem.field, problem.reason);
    if (hello.ttlMs === null && !this.#local)
      throw new ProtocolError('hello.ttlMs', 'must be a number of a client in another process');
    this.#hello = hello;
    this.#mode = 'listing';
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
    const { replica, version } = this.#face.options;
    const { sessionId: session, connection, ttlMs } = hello;
    const waits = this.#waits
      .filter((request) => this.#isAllowed(request))
      .map((request) => acquireRequest(request, request.place));
    const lifeline = this.#local ? 'process' : 'heartbeat';
    const leases = this.#claims;
    this.#claims = [];
    this.#waits = [];
    // A connection that this one displaces hears of it within this call, and leaves its place to ours.
    const refusal = replica.submit(
      { type: 'session.open', sessionId: session, connection, lifeline, ttlMs, leases, waits, origin: 'session' },
      (outcome) => {
        // Its frame's acknowledgement is lost, too, and ends the connection.
        if (outcome.is === 'lost') return;
        if (outcome.refusal) this.end(outcome.refusal, outcome.refusal.code === 'QUEUE_FULL');
        else this.#outbox.unshift({ type: 'welcome', server: version, ttlMs });
        this.#face.markDirty(this);
      },
      this.#sink,
    );
    if (refusal || this.#mode === 'closed') return;
    this.#mode = 'open';
  }

  #serve(message: ClientMessage, hello: Hello): void {
    const { replica } = this.#face.options;
    const { sessionId: session, connection } = hello;
    switch (message.type) {
      case 'acquire':
        if (this.#isAllowed(message.request))
          // A place is for those who come back: no other acquire may choose its own.
          replica.submit({ type: 'acquire', sessionId: session, request: acquireRequest(message.request, null) });
        return;
      case 'release':
        replica.submit({ type: 'release', sessionId: session, leaseId: message.leaseId, token: message.token });
        return;
      case 'cancel':
        replica.submit({ type: 'cancel', sessionId: session, leaseId: message.leaseId });
        return;
      case 'call':
        this.#calls.answer(message);
        return;
      case 'bye':
        this.#mode = 'leaving';
        replica.submit({ type: 'session.close', sessionId: session, connection }, ({ is }) => {
          if (is === 'lost') return;
          this.#mode = 'closing';
          this.#face.markDirty(this);
        });
        return;
      default:
        throw new ProtocolError('message', `after ready must not be ${message.type}`);
    }
  }

  get #isOver(): boolean {
    return this.#mode === 'leaving' || this.#mode === 'closing' || this.#mode === 'closed';
  }

  #isAllowed(request: WireAcquire): boolean {
    const problem = checkAcquire(request);
    if (problem) this.#say({ type: 'refused', leaseId: request.leaseId, error: invalidRequest(problem) });
    return !problem;
  }

  #hear(notice: Notice): void {
    switch (notice.type) {
      case 'granted':
        this.#say({ type: 'granted', leaseId: notice.leaseId, grant: notice.grant });
        return;
      case 'queued':
        this.#say({ type: 'queued', leaseId: notice.leaseId, place: notice.place });
        return;
      case 'refused':
      case 'ended':
        this.#say({ type: notice.type, leaseId: notice.leaseId, error: notice.refusal });
        return;
      case 'disconnect':
        this.end(notice.reason === 'displaced' ? DISPLACED : LAPSED, notice.reason === 'lapsed');
        return;
    }
  }

  #say(message: ServerMessage): void {
    this.#outbox.push(message);
    this.#face.markDirty(this);
  }
}

const unreachable = (message: string): WireError => ({ code: 'SERVER_UNREACHABLE', message, details: {} });

const CLOSING = unreachable('The server is closing.');
const STARTING = unreachable('The server is starting. Try again.');
const LOST = unreachable('The server has to start again from its journal. Nothing that was acknowledged is lost.');

const DISPLACED: WireError = {
  code: 'CONFLICT',
  message: 'Another connection has taken this session over: is its id used by two processes?',
  details: {},
};

const LAPSED = unreachable('Nothing was heard of this client for its time to live.');
