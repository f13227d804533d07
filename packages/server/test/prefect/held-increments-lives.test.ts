/**
 * Lives of Prefect's clients in virtual time, as they are written: who gets no answer sends the increment again, who is
 * told that it is full asks again, who has it gives it back. Meanwhile requests and answers are lost, clients go away for
 * good, the journal fails, and the server is killed. `SEED=N` brings a run back.
 */
import { randomUUID } from 'node:crypto';
import { MemoryStore } from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../test/random.ts';
import { SimulatedProcess } from '../../../../test/simulation/host.ts';
import { VirtualTime } from '../../../../test/virtual-time.ts';
import { whatToRelease } from '../../src/prefect/decrement.ts';
import { HeldIncrements, type Requester } from '../../src/prefect/held-increments.ts';
import type { Increment, Kind, Outcome } from '../../src/prefect/increment.ts';
import { Replica } from '../../src/replica.ts';
import { FailingJournal } from './failing-journal.ts';

const LIVES = Number(process.env.LIVES ?? 200);
const CLIENTS = 8;
const WORK_MS = 600_000;
/** All that is held or kept for somebody is given up by then. */
const QUIET_MS = 1_800_000;
const HOLD_MS = 20_000;
const TTL_MS = 60_000;
const LIMITS = { 'tag:one': 1, 'tag:three': 3 } as const;
type Name = keyof typeof LIMITS;
const NAMES = Object.keys(LIMITS) as Name[];

type Reply = Outcome['is'] | 'done' | 'gone';

/** What came to pass in all lives: what did not was not tested. */
class Tally {
  readonly counts: Record<string, number> = {};

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** A server's life, from its start to its kill. */
class Server {
  readonly process: SimulatedProcess;
  readonly replica: Replica;
  readonly increments: HeldIncrements;
  /** What waits for durability: when the replica fails it is told that the server is not available. */
  readonly #pending = new Set<(reply: Reply) => void>();

  static async start(world: World): Promise<Server> {
    const process = new SimulatedProcess(world.time, world.random, { rate: 1, wallOffsetMs: 0 });
    const replica = await Replica.start(() => new FailingJournal(world.store), process);
    return new Server(process, replica);
  }

  private constructor(process: SimulatedProcess, replica: Replica) {
    this.process = process;
    this.replica = replica;
    this.increments = new HeldIncrements({ replica, clock: process, holdMs: HOLD_MS });
    replica.on({
      failed: () => {
        for (const reply of [...this.#pending]) reply('unavailable');
      },
    });
  }

  renew(lease: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      increments.arrivedAs(lease);
      if (!replica.engine.state.leases.has(lease)) replica.tell(() => done('gone'));
      else
        replica.submit({ type: 'renew', lease, ttlMs: TTL_MS }, (refusal) =>
          done(refusal === undefined ? 'done' : 'gone'),
        );
    });
  }

  release(lease: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      increments.arrivedAs(lease);
      const { token } = replica.engine.state.leases.get(lease) ?? {};
      if (token !== undefined) replica.submit({ type: 'release', lease, token });
      replica.tell(() => done('done'));
    });
  }

  releaseTags(names: readonly Name[], taskRun: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      const limits = names.map((name) => replica.engine.state.limits.get(name)!);
      for (const release of whatToRelease(limits, taskRun)) {
        increments.arrivedAs(release.lease);
        replica.submit({ type: 'release', ...release });
      }
      replica.tell(() => done('done'));
    });
  }

  giveBack(names: readonly Name[], slots: number, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      for (const name of names) increments.arrivedOn(replica.engine.state.limits.get(name)!, slots);
      replica.submit({ type: 'return', amounts: names.map((name) => [name, slots]) }, () => done('done'));
    });
  }

  #durably(reply: (reply: Reply) => void, act: (done: (reply: Reply) => void) => void): void {
    if (!this.replica.ready) {
      reply('unavailable');
      return;
    }
    const done = (what: Reply): void => {
      if (this.#pending.delete(done)) reply(what);
    };
    this.#pending.add(done);
    act(done);
  }
}

/** A connection of a client; it carries one request at a time. */
class Connection {
  static #number = 0;
  readonly number = ++Connection.#number;
  readonly #world: World;
  readonly #server: Server;
  /** Of the last increment over it: until it is known that its answer has arrived. */
  #exchange: Exchange | undefined;
  /** What its client is told. */
  #hear: ((reply: Reply | 'lost', lease?: string) => void) | undefined;
  isOpen = true;

  constructor(world: World, server: Server) {
    this.#world = world;
    this.#server = server;
  }

  isWaitingFor(answer: unknown): boolean {
    return this.isOpen && this.#hear === answer;
  }

  get isOfNow(): boolean {
    return this.isOpen && this.#server === this.#world.server;
  }

  increment(increment: Omit<Increment, 'connection'>, hear: (reply: Reply | 'lost', lease?: string) => void): void {
    this.#world.cutSometimes(this, hear);
    this.#request(hear, () => {
      const exchange: Exchange = new Exchange(
        (outcome) => this.#answer(outcome.is, outcome.is === 'granted' ? outcome.lease : undefined, exchange),
        this.#world,
      );
      this.#exchange = exchange;
      if (this.#server.replica.ready) this.#server.increments.ask({ ...increment, connection: this.number }, exchange);
      else exchange.answer({ is: 'unavailable' });
    });
  }

  /** `mayBeLost`: it, or its answer. */
  ask(
    hear: (reply: Reply | 'lost') => void,
    act: (server: Server, reply: (reply: Reply) => void) => void,
    mayBeLost = true,
  ): void {
    if (mayBeLost) this.#world.cutSometimes(this, hear);
    this.#request(hear, () => act(this.#server, (reply) => this.#answer(reply)));
  }

  /** Both ends hear of it; what was under way is lost. */
  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const exchange = this.#exchange;
    if (exchange)
      this.#onServer(() => this.#server.increments.ended(exchange, exchange.isWritten ? 'reset' : 'unwritten'));
    const hear = this.#hear;
    if (hear) this.#world.later(10, () => hear('lost'));
  }

  /** By a client that has read all. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const exchange = this.#exchange;
    if (exchange) this.#onServer(() => this.#server.increments.ended(exchange, 'in order'));
  }

  #request(hear: (reply: Reply | 'lost', lease?: string) => void, act: () => void): void {
    this.#hear = hear;
    this.#onServer(() => {
      if (!this.isOpen) return;
      if (this.#exchange) this.#server.increments.arrived(this.#exchange);
      this.#exchange = undefined;
      act();
    });
  }

  #answer(reply: Reply, lease?: string, exchange?: Exchange): void {
    this.#onServer(() => {
      if (!this.isOpen) return;
      if (exchange) {
        exchange.isWritten = true;
        this.#server.increments.written(exchange);
      }
      this.#world.later(20, () => {
        const hear = this.#hear;
        if (!this.isOpen || !hear) return;
        this.#hear = undefined;
        hear(reply, lease);
      });
    });
  }

  #onServer(act: () => void): void {
    const { process } = this.#server;
    this.#world.later(20, () => process.arrive(act));
  }
}

/** One increment over one connection, as the server has it. */
class Exchange implements Requester {
  readonly #answer: (outcome: Outcome) => void;
  readonly #world: World;
  #isAnswered = false;
  isWritten = false;

  constructor(answer: (outcome: Outcome) => void, world: World) {
    this.#answer = answer;
    this.#world = world;
  }

  answer(outcome: Outcome): void {
    if (this.#isAnswered) this.#world.violations.push(`an increment is answered twice, now with ${outcome.is}`);
    this.#isAnswered = true;
    this.#answer(outcome);
  }
}

/** A run that holds the same several times over. Prefect asks for one at a time. */
interface Run {
  readonly id: string;
  /** Until the server knows that it has the lease. */
  asks: Client | null;
  lease: string;
}

/** Takes slots, holds them, and gives them back or goes away, again and again. */
class Client {
  readonly #world: World;
  #connection: Connection | undefined;
  kind: Kind = 'tag';
  names: readonly Name[] = [];
  slots = 0;
  readonly #run: Run | null;
  #taskRun = '';
  #lease = '';
  /** Until then it believes to hold its slots. */
  believesUntilMs = 0;

  constructor(world: World, run: Run | null) {
    this.#world = world;
    this.#run = run;
  }

  begin(): void {
    const { random } = this.#world;
    if (!this.#world.isBusy) return;
    if (this.#run) {
      this.#beginAsOneOf(this.#run);
      return;
    }
    this.kind = random.pick(this.#world.kinds);
    this.names = random.next() < 0.2 ? NAMES : [random.pick(NAMES)];
    this.slots = this.kind === 'tag' || this.names.includes('tag:one') ? 1 : random.integer(1, 3);
    this.#taskRun = this.#world.newTaskRun();
    // One that goes away as the server starts again may leave its slot taken, if it has no time to live.
    const isPatient = random.next() < 0.9 || (this.kind === 'tag' && this.#world.restarts);
    this.#try(isPatient ? Number.POSITIVE_INFINITY : this.#world.time.monotonicMs() + random.next() * 30_000);
  }

  #beginAsOneOf(run: Run): void {
    if (run.asks) {
      this.#world.later(1_000, () => this.begin());
      return;
    }
    run.asks = this;
    run.lease = '';
    this.kind = 'leased';
    this.names = ['tag:three'];
    this.slots = 1;
    this.#taskRun = run.id;
    this.#try(Number.POSITIVE_INFINITY);
  }

  /** The server knows that it has the lease, or has it no more. */
  #isSureOf(lease: string): void {
    if (this.#run?.lease === lease) this.#run.asks = null;
  }

  #try(untilMs: number): void {
    const { tally, time, random } = this.#world;
    if (time.monotonicMs() > untilMs) {
      tally.count('gave up');
      this.#again();
      return;
    }
    const connection = this.#connect();
    if (!connection) {
      this.#world.later(2_000, () => this.#try(untilMs));
      return;
    }
    const { kind, names, slots } = this;
    const holder = kind === 'bare' ? null : { type: 'task_run', id: this.#taskRun };
    const ttlMs = kind === 'leased' ? TTL_MS : null;
    const sentMs = time.monotonicMs();
    let isGone = false;
    const leave = (): void => {
      isGone = true;
      tally.count('went away');
      connection.cut();
      this.#again();
    };
    const leaving = untilMs === Number.POSITIVE_INFINITY ? undefined : time.setTimer(untilMs - sentMs, leave);
    connection.increment({ kind, names, slots, ratesOnly: false, holder, ttlMs }, (reply, lease) => {
      if (isGone) return;
      leaving?.cancel();
      tally.count(`increment: ${reply}`);
      if (reply === 'granted') this.#hold(lease!, sentMs);
      else if (reply === 'full') this.#world.later(200, () => this.#try(untilMs));
      else if (reply === 'refused') this.#world.violations.push(`${this.#taskRun} is refused`);
      else time.setTimer(200 + random.next() * 2_200, () => this.#try(untilMs));
    });
  }

  #hold(lease: string, sentMs: number): void {
    const { random, tally, time } = this.#world;
    this.#lease = lease;
    if (this.#run) this.#run.lease = lease;
    this.believesUntilMs = this.kind === 'leased' ? sentMs + TTL_MS : Number.POSITIVE_INFINITY;
    this.#world.look();
    if (random.next() < 0.5) {
      this.#connection?.close();
      this.#connection = undefined;
    }
    if (this.kind === 'leased') this.#renew(lease);
    const dies = this.kind === 'leased' && random.next() < 0.05;
    time.setTimer(random.next() * random.pick([100, 3_000, 3_000, 120_000]), () => {
      if (this.#lease !== lease) return;
      this.#lease = '';
      this.believesUntilMs = 0;
      if (dies) {
        tally.count('died holding');
        this.#isSureOf(lease);
        this.#again();
      } else {
        this.#giveBack(lease);
      }
    });
  }

  #renew(lease: string): void {
    const { time, tally, violations } = this.#world;
    if (this.#lease !== lease) return;
    const sentMs = time.monotonicMs();
    const connection = this.#world.connect();
    if (!connection) {
      time.setTimer(1_000, () => this.#renew(lease));
      return;
    }
    connection.ask(
      (reply) => {
        tally.count(`renew: ${reply}`);
        connection.close();
        if (reply === 'done') this.#isSureOf(lease);
        if (this.#lease !== lease) return;
        if (reply === 'gone' && time.monotonicMs() < this.believesUntilMs)
          violations.push(`${lease} is gone under its holder`);
        if (reply === 'done') this.believesUntilMs = sentMs + TTL_MS;
        if (reply !== 'gone') time.setTimer(reply === 'done' ? TTL_MS * 0.75 : 1_000, () => this.#renew(lease));
      },
      (server, reply) => server.renew(lease, reply),
    );
  }

  #giveBack(lease: string): void {
    const connection = this.#connect();
    if (!connection) {
      this.#world.later(2_000, () => this.#giveBack(lease));
      return;
    }
    connection.ask(
      (reply) => {
        this.#world.tally.count(`give back: ${reply}`);
        if (reply === 'done') {
          this.#isSureOf(lease);
          this.#again();
        } else this.#world.later(2_000, () => this.#giveBack(lease));
      },
      (server, reply) => {
        if (this.kind === 'leased') server.release(lease, reply);
        else if (this.kind === 'tag') server.releaseTags(this.names, this.#taskRun, reply);
        else server.giveBack(this.names, this.slots, reply);
      },
      // What is given back without a name, and again, is given back twice: that is Prefect's own.
      this.kind !== 'bare',
    );
  }

  #again(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#world.later(3_000, () => this.begin());
  }

  /** Over the connection that it has, if that is one to the server of now. */
  #connect(): Connection | undefined {
    if (!this.#connection?.isOfNow) this.#connection = this.#world.connect();
    return this.#connection;
  }
}

interface Faults {
  readonly cuts: boolean;
  readonly failures: boolean;
  /** Of the server. */
  readonly kills: boolean;
}

class World {
  readonly time = new VirtualTime();
  readonly store = new MemoryStore();
  readonly random: Random;
  readonly kinds: readonly Kind[];
  readonly tally: Tally;
  readonly violations: string[] = [];
  readonly faults: Faults;
  readonly #clients: Client[];
  readonly #connections = new Set<Connection>();
  #taskRuns = 0;
  server: Server | null = null;
  isBusy = true;

  constructor(seed: number, { kinds, faults, areOneRun = false }: Lives, tally: Tally) {
    this.random = new Random(seed);
    this.kinds = kinds;
    this.faults = faults;
    this.tally = tally;
    const run = areOneRun ? { id: this.newTaskRun(), asks: null, lease: '' } : null;
    this.#clients = Array.from({ length: CLIENTS }, () => new Client(this, run));
  }

  async live(): Promise<void> {
    const starting = this.#start();
    await this.#pass(0);
    await starting;
    for (const [name, slots] of Object.entries(LIMITS))
      this.server!.replica.submit({ type: 'limit.ensure', name, id: randomUUID(), patch: { slots } });
    for (const client of this.#clients) client.begin();
    if (this.restarts) this.#failLater();
    await this.#pass(WORK_MS);
    this.isBusy = false;
    await this.#pass(QUIET_MS);
    const { engine, nowMs } = this.server!.replica;
    // Leases whose time to live is over may stay as long as nobody needs their slots.
    const taken = NAMES.map((name) => engine.activeSlots(engine.state.limits.get(name)!, nowMs));
    if (engine.waiters(null).length > 0 || taken.some((slots) => slots > 0))
      this.violations.push(`in the end ${taken} slots are taken, and ${engine.waiters(null).length} wait`);
  }

  get restarts(): boolean {
    return this.faults.failures || this.faults.kills;
  }

  newTaskRun(): string {
    this.#taskRuns += 1;
    return `00000000-0000-4000-8000-${String(this.#taskRuns).padStart(12, '0')}`;
  }

  connect(): Connection | undefined {
    if (!this.server) return undefined;
    const connection = new Connection(this, this.server);
    this.#connections.add(connection);
    return connection;
  }

  later(withinMs: number, callback: () => void): void {
    this.time.setTimer(this.random.next() * withinMs, callback);
  }

  /** Sooner than any answer, or while it waits. */
  cutSometimes(connection: Connection, answer: unknown): void {
    if (!this.faults.cuts || !this.isBusy || this.random.next() > 0.15) return;
    const withinMs = this.random.pick([60, 60, 25_000]);
    this.later(withinMs, () => {
      // A client that has read its answer does not reset the connection.
      if (connection.isWaitingFor(answer)) connection.cut();
    });
  }

  /** Never more than there are, by what clients believe. */
  look(): void {
    const nowMs = this.time.monotonicMs();
    for (const name of NAMES) {
      const believers = this.#clients.filter(
        ({ names, believesUntilMs }) => believesUntilMs > nowMs && names.includes(name),
      );
      const sum = believers.reduce((slots, client) => slots + client.slots, 0);
      if (sum > LIMITS[name]) this.violations.push(`at ${nowMs} ${sum} slots of '${name}' are believed to be held`);
    }
  }

  async #start(): Promise<void> {
    this.server = await Server.start(this);
  }

  #failLater(): void {
    this.later(60_000, () => {
      if (!this.isBusy) return;
      if (this.faults.failures && (!this.faults.kills || this.random.next() < 0.5)) {
        FailingJournal.fails = true;
        this.tally.count('append failed');
      } else {
        this.#kill();
      }
      this.#failLater();
    });
  }

  #kill(): void {
    if (!this.server) return;
    this.tally.count('server killed');
    this.server.process.kill();
    this.server = null;
    for (const connection of this.#connections) connection.cut();
    this.#connections.clear();
    this.later(5_000, () => void this.#start());
  }

  async #pass(byMs: number): Promise<void> {
    await this.time.run(this.time.monotonicMs() + byMs, () => this.violations.length > 0);
  }
}

interface Lives {
  readonly kinds: readonly Kind[];
  readonly faults: Faults;
  readonly areOneRun?: boolean;
  /** What has to come to pass in them. */
  readonly demanded: readonly string[];
}

describe('clients of Prefect', () => {
  const cases: Readonly<Record<string, Lives>> = {
    'whose connections end, before a server that is killed and whose journal fails': {
      kinds: ['tag', 'leased'],
      faults: { cuts: true, failures: true, kills: true },
      demanded: [
        'append failed',
        'server killed',
        'increment: lost',
        'increment: unavailable',
        'renew: done',
        'died holding',
        'went away',
      ],
    },
    'with increments of all kinds, whose connections end': {
      kinds: ['tag', 'leased', 'bare'],
      faults: { cuts: true, failures: false, kills: false },
      demanded: ['increment: granted', 'increment: full', 'increment: lost', 'give back: done', 'went away'],
    },
    'with increments of all kinds, before a server whose journal fails': {
      kinds: ['tag', 'leased', 'bare'],
      faults: { cuts: false, failures: true, kills: false },
      demanded: ['increment: unavailable', 'give back: unavailable', 'append failed'],
    },
    'of one run that takes the same again and again': {
      kinds: [],
      faults: { cuts: true, failures: true, kills: true },
      areOneRun: true,
      demanded: ['append failed', 'server killed', 'increment: lost', 'increment: unavailable', 'renew: done'],
    },
  };
  for (const [what, lives] of Object.entries(cases)) {
    it(`${what}: never more than there are, and in the end nothing is left taken`, async () => {
      const { seed } = new Random();
      console.log(`SEED=${seed}`);
      const tally = new Tally();
      for (let life = 0; life < LIVES; life++) {
        FailingJournal.fails = false;
        const world = new World(seed + life, lives, tally);
        await world.live();
        expect(world.violations, `SEED=${seed + life}`).toEqual([]);
      }
      console.log(tally.counts);
      for (const happened of lives.demanded) expect(tally.counts[happened] ?? 0, happened).toBeGreaterThan(0);
    }, 120_000);
  }
});
