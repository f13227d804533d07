/** The shipped replica and session server in a simulated process, over a disk that outlives it; started again when it dies. */
import { canonical } from '@slotkeeper/engine';
import { Replica } from '../../packages/server/src/replica/replica.ts';
import { SessionServer } from '../../packages/server/src/session.ts';
import { ELSEWHERE, keyring } from '../../packages/server/test/keyring.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Auditor, PlainFacts } from './auditor.ts';
import { Disk } from './faulty-journal.ts';
import { type ClockFaults, SimulatedProcess } from './host.ts';
import type { Network } from './network.ts';
import type { View } from './plain-scan.ts';

const START_AGAIN_MS = 1_000;

export class SimulatedServer {
  readonly disk: Disk;
  readonly clocks: ClockFaults = { rate: 1, wallOffsetMs: 0 };
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #network: Network;
  readonly #auditor: Auditor;
  readonly #note: (text: () => string) => void;
  readonly #snapshotEveryFacts: number | undefined;
  /** Called when the process dies, to notify its connections. */
  readonly #died: (silently: boolean) => void;
  #process: SimulatedProcess | null = null;
  #replica: Replica | null = null;
  #sessions: SessionServer | null = null;
  /** How long it stays away after its next crash. */
  crashForMs = 0;
  crashes = 0;

  constructor(
    world: {
      time: VirtualTime;
      random: Random;
      network: Network;
      auditor: Auditor;
      note: (text: () => string) => void;
      snapshotEveryFacts: number | undefined;
    },
    died: (silently: boolean) => void,
  ) {
    this.#time = world.time;
    this.#random = world.random;
    this.#network = world.network;
    this.#auditor = world.auditor;
    this.#note = world.note;
    this.#snapshotEveryFacts = world.snapshotEveryFacts;
    this.#died = died;
    this.disk = new Disk(
      (after, facts) => this.#auditor.wrote(after, facts as unknown as PlainFacts),
      () => this.kill(this.crashForMs, false),
    );
  }

  start(): void {
    if (this.#process) return;
    const process = new SimulatedProcess(this.#time, this.#random, this.clocks);
    this.#process = process;
    this.#start(process).catch((error: unknown) => {
      if (!process.isAlive) return;
      this.#note(() => `the server cannot start: ${error}`);
      process.kill();
      this.#process = null;
      this.#time.setTimer(START_AGAIN_MS, () => this.start());
    });
  }

  /** As kill -9; a new one starts after `forMs`. */
  kill(forMs: number, silently: boolean): void {
    if (!this.#process) return;
    this.crashes += 1;
    this.#note(() => 'the server dies');
    this.#process.kill();
    this.#gone(silently);
    this.#time.setTimer(forMs, () => this.start());
  }

  /** In order, as with SIGTERM. */
  async stop(forMs: number): Promise<void> {
    const [process, sessions, replica] = [this.#process, this.#sessions, this.#replica];
    if (!process || !sessions || !replica) return;
    this.#note(() => 'the server stops');
    this.#auditor.standing.server(false);
    this.#network.listener = null;
    this.#sessions = null;
    sessions.close();
    await replica.stop();
    if (process !== this.#process) return;
    process.kill();
    this.#gone(false);
    this.#time.setTimer(forMs, () => this.start());
  }

  /** It does not run for so long. */
  stall(forMs: number): void {
    const process = this.#process;
    if (!process || process.isPaused) return;
    this.#note(() => `the server stalls for ${forMs} ms`);
    this.#auditor.standing.disturbed('server', this.#time.monotonicMs() + forMs + 1_000);
    process.pause();
    this.#time.setTimer(forMs, () => process.resume());
  }

  /** Its state and what the journal comes to are the same. */
  compare(): void {
    const replica = this.#replica;
    if (!replica?.ready || this.#process?.isPaused) return;
    const { state } = replica.engine;
    this.#auditor.compare(state.position, () => canonical(state));
  }

  /** What an observer is shown, as of this moment; undefined while it does not run. */
  view(): View | undefined {
    const replica = this.#replica;
    if (!replica?.ready || this.#process?.isPaused) return undefined;
    const { engine } = replica;
    return {
      position: engine.state.position,
      nowMs: engine.nowMs,
      limits: engine.limits(),
      holders: engine.holders(null),
      waiters: engine.waiters(null),
    };
  }

  async #start(process: SimulatedProcess): Promise<void> {
    const replica = await Replica.start(() => this.disk.journal(process), process, {
      ...(this.#snapshotEveryFacts !== undefined && { snapshotEveryFacts: this.#snapshotEveryFacts }),
    });
    const sessions = new SessionServer({ replica, clock: process, version: 'simulated', keys: keyring() });
    replica.on({
      failed: () => this.#auditor.standing.server(false),
      log: (level, message) => {
        this.#note(() => `the server says: ${message}`);
        if (message.includes('invariant')) this.#auditor.broken(message);
        if (level === 'info') this.#running();
      },
    });
    this.#replica = replica;
    this.#sessions = sessions;
    this.#network.listener = { process, accept: (open) => sessions.accept(open, ELSEWHERE) };
    this.#note(() => 'the server runs');
    this.#running();
  }

  #running(): void {
    this.#auditor.standing.server(true);
    this.compare();
  }

  #gone(silently: boolean): void {
    this.#process = null;
    this.#replica = null;
    this.#sessions = null;
    this.#network.listener = null;
    this.#auditor.standing.server(false);
    this.#died(silently);
  }
}
