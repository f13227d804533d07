/** Clients and a server in virtual time, what befalls them, and what must never come to pass. */
import { randomUUID } from 'node:crypto';
import { MemoryStore } from '@slotkeeper/journal';
import { Random } from '../../../../test/random.ts';
import { VirtualTime } from '../../../../test/virtual-time.ts';
import type { Kind } from '../../src/increments/increment.ts';
import { FailingJournal } from '../failing-journal.ts';
import { Client } from './client.ts';
import { Connection } from './connection.ts';
import { Server } from './server.ts';

const CLIENTS = 8;
const WORK_MS = 600_000;
/** All that is held or kept for somebody is given up by then. */
const QUIET_MS = 1_800_000;
export const HOLD_MS = 20_000;
export const TTL_MS = 60_000;
const LIMITS = { 'tag:one': 1, 'tag:three': 3 } as const;
export type Name = keyof typeof LIMITS;
export const NAMES = Object.keys(LIMITS) as Name[];

/** What came to pass in all lives: what did not was not tested. */
export class Tally {
  readonly counts: Record<string, number> = {};

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

export interface Faults {
  readonly cuts: boolean;
  readonly failures: boolean;
  /** Of the server. */
  readonly kills: boolean;
}

export interface Lives {
  readonly kinds: readonly Kind[];
  readonly faults: Faults;
  readonly areOneRun?: boolean;
}

export class World {
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
