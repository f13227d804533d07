/** A network between clients and the server: frames arrive in order and after a while, or their connection is of no more use. */
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type EncodedFrame,
  jsonCodec,
  receive,
  type ServerFrame,
} from '@slotkeeper/protocol';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { SimulatedProcess } from './host.ts';

export interface Listener {
  readonly process: SimulatedProcess;
  accept(open: (events: ChannelEvents<ClientFrame>) => Channel<ServerFrame>): void;
}

export type Direction = 'to server' | 'to client';

/** A client's way to the server, and what is wrong with it now. */
export class Route {
  readonly #network: Network;
  readonly #wires = new Set<Wire>();
  /** Added to each frame's time under way. */
  extraMs = 0;
  /** How many of the next frames to the client are lost, and their connection with them. */
  repliesToLose = 0;
  /** Nothing arrives in these directions, and neither end is notified. */
  readonly silent = new Set<Direction>();

  constructor(network: Network) {
    this.#network = network;
  }

  dial(client: SimulatedProcess, events: ChannelEvents<ServerFrame>): Channel<ClientFrame> {
    const wire = new Wire(this.#network, this, client, events, () => this.#wires.delete(wire));
    this.#wires.add(wire);
    return wire.dial();
  }

  cut(): void {
    for (const wire of [...this.#wires]) wire.cut();
  }

  /** A proxy between them keeps what clients send, in all connections there are now. Returns what is to be called as it lets go. */
  stall(): (afterMs: number) => void {
    const wires = [...this.#wires];
    for (const wire of wires) wire.stall();
    return (afterMs) => {
      for (const wire of wires) wire.letGo(afterMs);
    };
  }
}

export class Network {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly latencyMs: readonly [min: number, max: number];
  /** Frames travel as text, as over a WebSocket; otherwise as the objects that they are, which is faster. */
  readonly isText: boolean;
  /** Null: nobody listens. */
  listener: Listener | null = null;

  constructor(time: VirtualTime, random: Random, how: Pick<Network, 'latencyMs' | 'isText'>) {
    this.time = time;
    this.random = random;
    this.latencyMs = how.latencyMs;
    this.isText = how.isText;
  }

  latency(route: Route): number {
    const [min, max] = this.latencyMs;
    return min + this.random.next() * (max - min) + route.extraMs;
  }
}

interface End<Heard> {
  process: SimulatedProcess;
  events: ChannelEvents<Heard> | undefined;
  /** When the last that is under way to it arrives. */
  lastAtMs: number;
  isClosed: boolean;
}

interface Codec<Frame> {
  readonly encode: (frame: Frame) => Iterable<EncodedFrame>;
  readonly decode: (data: EncodedFrame) => Frame;
}

const clientCodec: Codec<ClientFrame> = { encode: jsonCodec.encodeClientFrame, decode: jsonCodec.decodeClientFrame };
const serverCodec: Codec<ServerFrame> = { encode: jsonCodec.encodeServerFrame, decode: jsonCodec.decodeServerFrame };

/** One connection. */
class Wire {
  readonly #network: Network;
  readonly #route: Route;
  readonly #client: End<ServerFrame>;
  readonly #server: End<ClientFrame>;
  readonly #forget: () => void;
  /** What a proxy keeps on its way to the server; null: there is none. */
  #kept: (() => void)[] | null = null;
  #isCut = false;

  constructor(
    network: Network,
    route: Route,
    process: SimulatedProcess,
    events: ChannelEvents<ServerFrame>,
    forget: () => void,
  ) {
    this.#network = network;
    this.#route = route;
    this.#forget = forget;
    this.#client = { process, events, lastAtMs: 0, isClosed: false };
    this.#server = { process, events: undefined, lastAtMs: 0, isClosed: false };
  }

  dial(): Channel<ClientFrame> {
    this.#send('to server', () => {
      const { listener } = this.#network;
      if (!listener?.process.isAlive) {
        this.cut();
        return;
      }
      this.#server.process = listener.process;
      listener.process.arrive(() =>
        listener.accept((events) => {
          this.#server.events = events;
          return this.#channel('to client', this.#server, this.#client, serverCodec);
        }),
      );
    });
    return this.#channel('to server', this.#client, this.#server, clientCodec);
  }

  /** Frames under way are lost, and both ends are notified. */
  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#forget();
    const { time } = this.#network;
    const reason = 'connection reset';
    time.setTimer(this.#network.latency(this.#route), () => this.#tellClosed(this.#client, reason));
    time.setTimer(this.#network.latency(this.#route), () => this.#tellClosed(this.#server, reason));
  }

  stall(): void {
    this.#kept ??= [];
  }

  /** The client's end breaks, and the server gets what it had sent, and the end of it, only `afterMs` later. */
  letGo(afterMs: number): void {
    const kept = this.#kept ?? [];
    this.#forget();
    this.#tellClosed(this.#client, 'connection reset');
    this.#network.time.setTimer(afterMs, () => {
      if (this.#isCut) return;
      for (const arrive of kept) arrive();
      this.#tellClosed(this.#server, 'connection reset');
    });
  }

  #channel<Frame, Heard>(
    direction: Direction,
    own: End<Heard>,
    other: End<Frame>,
    { encode, decode }: Codec<Frame>,
  ): Channel<Frame> {
    const send = (tell: (events: ChannelEvents<Frame>) => void): void =>
      this.#send(direction, () =>
        other.process.arrive(() => {
          if (other.events && !other.isClosed && !this.#isCut) tell(other.events);
        }),
      );
    return {
      bufferedBytes: 0,
      send: (frame) => {
        if (own.isClosed) return;
        if (!this.#network.isText) send((events) => events.frame(frame));
        else for (const text of encode(frame)) send((events) => receive(text, decode, events));
      },
      close: () => {
        if (own.isClosed) return;
        this.#send(direction, () => {
          this.#forget();
          other.process.arrive(() => this.#tellClosed(other, 'closed by the other end'));
        });
        this.#network.time.soon(() => this.#tellClosed(own, 'closed by this end'));
      },
    };
  }

  #tellClosed<Heard>(end: End<Heard>, reason: string): void {
    if (end.isClosed) return;
    end.isClosed = true;
    end.process.arrive(() => end.events?.closed(reason));
  }

  #send(direction: Direction, arrive: () => void): void {
    if (this.#isCut || this.#route.silent.has(direction)) return;
    if (direction === 'to client' && this.#route.repliesToLose > 0) {
      this.#route.repliesToLose -= 1;
      this.cut();
      return;
    }
    const { time } = this.#network;
    const end = direction === 'to server' ? this.#server : this.#client;
    const nowMs = time.monotonicMs();
    end.lastAtMs = Math.max(end.lastAtMs, nowMs + this.#network.latency(this.#route));
    const reach = (): void => {
      if (this.#isCut || this.#route.silent.has(direction)) return;
      if (direction === 'to server' && this.#kept) this.#kept.push(arrive);
      else arrive();
    };
    if (end.lastAtMs > nowMs) time.setTimer(end.lastAtMs - nowMs, reach);
    else time.soon(reach);
  }
}
