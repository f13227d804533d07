/**
 * The shipped server and the shipped client, many of them, in virtual time, with a network between them that a test can
 * make slow, lossy, or cut.
 */
import { randomUUID } from 'node:crypto';
import { MemoryJournal, MemoryStore } from '@slotkeeper/journal';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type Clock,
  type ServerFrame,
  type Timer,
  VERSIONS,
  type Versions,
} from '@slotkeeper/protocol';
import { Keeper } from '../packages/client/src/keeper.ts';
import { Session, type Status } from '../packages/client/src/session.ts';
import { Replica } from '../packages/server/src/replica/replica.ts';
import { SessionServer } from '../packages/server/src/session.ts';
import { ELSEWHERE, keyring } from '../packages/server/test/keyring.ts';
import type { Random } from './random.ts';
import { VirtualTime } from './virtual-time.ts';

export type Dial = (client: ChannelEvents<ServerFrame>) => Channel<ClientFrame>;

interface ConnectOptions {
  /** Of the protocol, that the client speaks. */
  readonly versions?: Versions;
  readonly connectTimeoutMs?: number;
  readonly dial?: Dial;
}

export class VirtualFleet {
  readonly time = new VirtualTime();
  readonly network: VirtualNetwork;
  readonly #random: Random;
  readonly #store = new MemoryStore();
  #server: { readonly process: VirtualProcess; readonly replica: Replica; readonly sessions: SessionServer } | null =
    null;

  constructor(random: Random) {
    this.#random = random;
    this.network = new VirtualNetwork(this.time, random);
  }

  get replica(): Replica {
    if (!this.#server) throw new Error('the server is down');
    return this.#server.replica;
  }

  async startServer(versions = VERSIONS): Promise<void> {
    const process = new VirtualProcess(this.time);
    const replica = await Replica.start(() => new MemoryJournal(this.#store, process), process);
    const sessions = new SessionServer({ replica, clock: process, version: 'virtual', keys: keyring(), versions });
    this.#server = { process, replica, sessions };
    this.network.server = sessions;
  }

  /** As kill -9: what is not durable is gone, and every connection breaks. */
  killServer(): void {
    this.#server?.process.kill();
    this.#server = null;
    this.network.server = null;
    this.network.cutAll();
  }

  async connect(
    ttlMs = 15_000,
    { versions = VERSIONS, connectTimeoutMs = 3_600_000, dial = this.network.dial }: ConnectOptions = {},
  ): Promise<{ readonly keeper: Keeper; readonly process: VirtualProcess; readonly statuses: Status[] }> {
    const process = new VirtualProcess(this.time);
    const statuses: Status[] = [];
    const session = new Session(
      { clock: process, dial, newId: randomUUID, random: () => this.#random.next() },
      { ttlMs, connectTimeoutMs, apiKey: null, address: 'virtual', versions },
      { status: (status) => statuses.push(status), busy: () => {} },
    );
    const connection = { session, ttlMs, close: async () => {} };
    const keeper = new Keeper(connection, { clock: process, defaults: { host: null, pid: null }, warn: () => {} });
    const started = session.start();
    await this.until(() => session.status === 'connected', started);
    return { keeper, process, statuses };
  }

  /** Lets time pass until it is so; at most a virtual day. */
  async until(isSo: () => boolean, rejected?: Promise<unknown>): Promise<void> {
    let failure: unknown;
    rejected?.catch((error: unknown) => {
      failure = error;
    });
    const untilMs = this.time.monotonicMs() + 86_400_000;
    for (await this.time.pass(0); !isSo(); await this.time.passToNext()) {
      if (failure) throw failure;
      if (this.time.monotonicMs() > untilMs) throw new Error('it did not come to that within a virtual day');
    }
  }
}

/** The time of one process: with it die all its timers. */
export class VirtualProcess implements Clock {
  readonly #time: VirtualTime;
  #isAlive = true;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  kill(): void {
    this.#isAlive = false;
  }

  monotonicMs(): number {
    return this.#time.monotonicMs();
  }

  wallMs(): number {
    return this.#time.wallMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#time.setTimer(delayMs, () => {
      if (this.#isAlive) callback();
    });
  }

  soon(callback: () => void): void {
    this.setTimer(0, callback);
  }
}

/** Frames arrive in order and after a while, or their connection breaks. */
export class VirtualNetwork {
  server: SessionServer | null = null;
  /** How long a frame is under way, in milliseconds. */
  latencyMs: readonly [min: number, max: number] = [0, 0];
  /** The chance that a frame to the client is lost, and its connection with it. */
  lostReplies = 0;
  lost = 0;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #wires = new Set<{ cut(): void }>();

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  cutAll(): void {
    for (const wire of [...this.#wires]) wire.cut();
  }

  readonly dial: Dial = (client) => {
    const { server: sessions } = this;
    let server: ChannelEvents<ClientFrame> | undefined;
    let isOpen = sessions !== null;
    const wire = {
      cut: (): void => {
        this.#wires.delete(wire);
        isOpen = false;
        this.#time.setTimer(this.#latency(), () => client.closed('cut'));
        this.#time.setTimer(this.#latency(), () => server?.closed('cut'));
      },
    };
    this.#wires.add(wire);
    const direction = <Sent>(deliver: (frame: Sent) => void, lossRate: () => number): Channel<Sent> => {
      let lastAtMs = 0;
      return {
        send: (frame) => {
          if (!isOpen) return;
          if (this.#random.next() < lossRate()) {
            this.lost += 1;
            wire.cut();
            return;
          }
          lastAtMs = Math.max(lastAtMs, this.#time.monotonicMs() + this.#latency());
          this.#time.setTimer(lastAtMs - this.#time.monotonicMs(), () => {
            if (isOpen) deliver(frame);
          });
        },
        close: () => {
          if (!isOpen) return;
          // What was sent before it arrives before it.
          lastAtMs = Math.max(lastAtMs, this.#time.monotonicMs() + this.#latency());
          this.#time.setTimer(lastAtMs - this.#time.monotonicMs(), () => {
            if (isOpen) wire.cut();
          });
        },
        bufferedBytes: 0,
      };
    };
    sessions?.accept((events) => {
      server = events;
      return direction<ServerFrame>(
        (frame) => client.frame(frame),
        () => this.lostReplies,
      );
    }, ELSEWHERE);
    if (!sessions) wire.cut();
    return direction<ClientFrame>(
      (frame) => server?.frame(frame),
      () => 0,
    );
  };

  #latency(): number {
    const [min, max] = this.latencyMs;
    return min + this.#random.next() * (max - min);
  }
}
