/** Takes slots as Prefect's clients do, holds them, and gives them back or goes away, again and again. */
import type { Kind } from '../../src/increments/increment.ts';
import type { Connection } from './connection.ts';
import { NAMES, type Name, TTL_MS, type World } from './world.ts';

/** A run that holds the same several times over. Prefect asks for one at a time. */
export interface Run {
  readonly id: string;
  /** Until the server knows that it has the lease. */
  asks: Client | null;
  lease: string;
}

export class Client {
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
    const sender = { label: null, host: null };
    connection.increment({ kind, names, slots, ratesOnly: false, holder, sender, ttlMs }, (reply, lease) => {
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
        // One that has died hears nothing more, and its lease may be another's by now: only its holder may be sure of it.
        if (this.#lease !== lease) return;
        if (reply === 'done') this.#isSureOf(lease);
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
