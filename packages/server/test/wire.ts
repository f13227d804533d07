/** A client that sends exactly what a test has it send, over a channel in memory. */
import { randomUUID } from 'node:crypto';
import { MemoryJournal, MemoryStore } from '@slotkeeper/journal';
import {
  type AcquireRequest,
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type ClientMessage,
  type EncodedFrame,
  jsonCodec,
  receive,
  type ServerFrame,
  type ServerMessage,
  VERSIONS,
} from '@slotkeeper/protocol';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { Replica } from '../src/replica/replica.ts';
import { SessionServer } from '../src/session.ts';
import { ELSEWHERE, keyring } from './keyring.ts';

export const TTL_MS = 10_000;

const OFFER = { versionMin: VERSIONS.min, versionMax: VERSIONS.max };

export interface World {
  readonly time: VirtualTime;
  readonly store: MemoryStore;
  /** On the engine's clock. */
  readonly startedAtMs: number;
  readonly replica: Replica;
  readonly sessions: SessionServer;
}

export async function startWorld(
  options: { apiKey?: string; store?: MemoryStore; time?: VirtualTime } = {},
): Promise<World> {
  const { apiKey, store = new MemoryStore(), time = new VirtualTime() } = options;
  const replica = await Replica.start(() => new MemoryJournal(store, time), time);
  const sessions = new SessionServer({ replica, clock: time, version: 'test', keys: keyring({ apiKey }, time) });
  return { time, store, startedAtMs: replica.nowMs, replica, sessions };
}

export class Wire {
  readonly received: ServerMessage[] = [];
  readonly session: string;
  ack = 0;
  isClosed = false;
  #server: ChannelEvents<ClientFrame> | undefined;
  #sent = 0;

  constructor({ sessions }: World, session: string = randomUUID()) {
    this.session = session;
    sessions.accept((events) => {
      this.#server = events;
      return this.#channel();
    }, ELSEWHERE);
  }

  #channel(): Channel<ServerFrame> {
    return {
      send: ({ ack, messages }) => {
        this.ack = ack;
        this.received.push(...messages);
      },
      close: () => {
        this.isClosed = true;
      },
      bufferedBytes: 0,
    };
  }

  send(...messages: ClientMessage[]): this {
    this.#sent += 1;
    this.#server?.frame({ number: this.#sent, messages });
    return this;
  }

  sendText(text: EncodedFrame): this {
    if (this.#server) receive(text, jsonCodec.decodeClientFrame, this.#server);
    return this;
  }

  /** Hello, what it knows, ready. */
  greet(
    known: { connection?: number; claims?: [string, number][]; waits?: AcquireRequest[]; apiKey?: string } = {},
  ): this {
    const { connection = 1, claims = [], waits = [], apiKey = null } = known;
    return this.send(
      { type: 'hello', ...OFFER, sessionId: this.session, connection, ttlMs: TTL_MS, apiKey },
      ...claims.map(([lease, token]) => ({ type: 'claim', leaseId: lease, token }) as const),
      ...waits.map((request) => ({ type: 'acquire', request }) as const),
      { type: 'ready' },
    );
  }

  acquire(amounts: AcquireRequest['amounts'], options: Partial<AcquireRequest> = {}): string {
    const request = wait(amounts, options);
    this.send({ type: 'acquire', request });
    return request.leaseId;
  }

  /** The connection breaks: neither end learns more than that. */
  cut(): void {
    this.#server?.closed('cut');
  }

  of<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { readonly type: T }>[] {
    return this.received.filter((message) => message.type === type) as Extract<ServerMessage, { readonly type: T }>[];
  }

  /** The grant of a lease, as it was received last. */
  grantOf(lease: string): Extract<ServerMessage, { readonly type: 'granted' }>['grant'] | undefined {
    return this.of('granted').findLast((message) => message.leaseId === lease)?.grant;
  }
}

export function wait(amounts: AcquireRequest['amounts'], options: Partial<AcquireRequest> = {}): AcquireRequest {
  return {
    leaseId: randomUUID(),
    amounts,
    timeoutMs: null,
    priority: 0,
    holder: { type: null, id: null, label: null, host: null, pid: null },
    onMissing: 'error',
    place: null,
    ratesOnly: false,
    refunds: false,
    skipInactive: false,
    limitIds: [],
    ...options,
  };
}
