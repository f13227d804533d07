/** A network between clients and the server: frames arrive in order and after a while, or their connection is of no more use. */
import type { Channel, ChannelEvents } from '@slotkeeper/protocol';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { SimulatedProcess } from './host.ts';

export interface Listener {
  readonly process: SimulatedProcess;
  accept(open: (events: ChannelEvents) => Channel): void;
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
  /** Nothing arrives in these directions, and nobody is told. */
  readonly silent = new Set<Direction>();

  constructor(network: Network) {
    this.#network = network;
  }

  dial(client: SimulatedProcess, events: ChannelEvents): Channel {
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
  /** Null: nobody listens. */
  listener: Listener | null = null;

  constructor(time: VirtualTime, random: Random, latencyMs: readonly [number, number]) {
    this.time = time;
    this.random = random;
    this.latencyMs = latencyMs;
  }

  latency(route: Route): number {
    const [min, max] = this.latencyMs;
    return min + this.random.next() * (max - min) + route.extraMs;
  }
}

interface End {
  process: SimulatedProcess;
  events: ChannelEvents | undefined;
  /** When the last that is under way to it arrives. */
  lastAtMs: number;
  isClosed: boolean;
}

/** One connection. */
class Wire {
  readonly #network: Network;
  readonly #route: Route;
  readonly #client: End;
  readonly #server: End;
  readonly #forget: () => void;
  /** What a proxy keeps on its way to the server; null: there is none. */
  #kept: (() => void)[] | null = null;
  #isCut = false;

  constructor(network: Network, route: Route, process: SimulatedProcess, events: ChannelEvents, forget: () => void) {
    this.#network = network;
    this.#route = route;
    this.#forget = forget;
    this.#client = { process, events, lastAtMs: 0, isClosed: false };
    this.#server = { process, events: undefined, lastAtMs: 0, isClosed: false };
  }

  dial(): Channel {
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
          return this.#channel('to client', this.#server);
        }),
      );
    });
    return this.#channel('to server', this.#client);
  }

  /** What is under way is lost, and both ends hear of it. */
  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#forget();
    for (const end of [this.#client, this.#server]) {
      this.#network.time.setTimer(this.#network.latency(this.#route), () => this.#tellClosed(end, 'connection reset'));
    }
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

  #channel(direction: Direction, own: End): Channel {
    return {
      bufferedBytes: 0,
      send: (frame) => {
        if (own.isClosed) return;
        const other = this.#other(own);
        this.#send(direction, () => other.process.arrive(() => this.#hear(other, frame)));
      },
      close: () => {
        if (own.isClosed) return;
        const other = this.#other(own);
        this.#send(direction, () => {
          this.#forget();
          other.process.arrive(() => this.#tellClosed(other, 'closed by the other end'));
        });
        this.#network.time.soon(() => this.#tellClosed(own, 'closed by this end'));
      },
    };
  }

  #other(end: End): End {
    return end === this.#client ? this.#server : this.#client;
  }

  #hear(end: End, frame: string): void {
    if (!end.isClosed && !this.#isCut) end.events?.frame(frame);
  }

  #tellClosed(end: End, reason: string): void {
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
