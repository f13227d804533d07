/** The server's end of a session, which sends what a test has it send. It decides nothing. */
import {
  type AcquireRequest,
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type ClientMessage,
  type Grant,
  jsonCodec,
  receive,
  type ServerFrame,
  type ServerMessage,
} from '@slotkeeper/protocol';

export class ScriptedServer {
  readonly connections: ScriptedConnection[] = [];
  /** False: no server answers at the address. */
  isThere = true;

  readonly dial = (events: ChannelEvents<ServerFrame>): Channel<ClientFrame> => {
    const connection = new ScriptedConnection(events);
    this.connections.push(connection);
    if (!this.isThere) queueMicrotask(() => connection.drop('nobody is there'));
    return connection;
  };

  get last(): ScriptedConnection {
    const last = this.connections.at(-1);
    if (!last) throw new Error('nobody has connected');
    return last;
  }
}

export class ScriptedConnection implements Channel<ClientFrame> {
  readonly #events: ChannelEvents<ServerFrame>;
  /** How many frames were received. */
  frames = 0;
  /** The messages of the first of them. */
  first: readonly ClientMessage[] = [];
  readonly messages: ClientMessage[] = [];
  isClosed = false;
  readonly bufferedBytes = 0;

  constructor(events: ChannelEvents<ServerFrame>) {
    this.#events = events;
  }

  send({ number, messages }: ClientFrame): void {
    this.frames += 1;
    if (number === 1) this.first = messages;
    if (number !== this.frames) throw new Error(`frame ${number} came as number ${this.frames}`);
    this.messages.push(...messages);
  }

  close(): void {
    this.isClosed = true;
  }

  /** The connection breaks. */
  drop(reason = 'connection reset'): void {
    this.isClosed = true;
    this.#events.closed(reason);
  }

  /** Sends `messages`, and acknowledges all frames received so far. */
  answer(...messages: ServerMessage[]): void {
    this.answerUpTo(this.frames, ...messages);
  }

  /** Sends `messages`, and acknowledges frames up to `ack`. */
  answerUpTo(ack: number, ...messages: ServerMessage[]): void {
    this.#events.frame({ ack, messages });
  }

  garble(text: string): void {
    receive(text, jsonCodec.decodeServerFrame, this.#events);
  }

  welcome(ttlMs: number | null = 15_000): void {
    this.answer({ type: 'welcome', server: 'scripted', ttlMs, version: 3 });
  }

  grant(lease: string, grant: Partial<Grant> = {}): void {
    this.answer(granted(lease, grant));
  }

  of<T extends ClientMessage['type']>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.messages.filter((message): message is Extract<ClientMessage, { type: T }> => message.type === type);
  }

  get acquires(): AcquireRequest[] {
    return this.of('acquire').map(({ request }) => request);
  }
}

export function granted(lease: string, grant: Partial<Grant> = {}): ServerMessage {
  return {
    type: 'granted',
    leaseId: lease,
    grant: { token: 7, grantedAtMs: 1_700_000_000_000, amounts: [['db', 1]], waitedMs: 0, warnings: [], ...grant },
  };
}
