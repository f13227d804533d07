/** Runs a plan: the shipped server and clients in virtual time, their faults, and the auditor over their shoulders. */
import { Random } from '../random.ts';
import { VirtualTime } from '../virtual-time.ts';
import { Auditor, type Violation } from './auditor.ts';
import type { ClockFaults } from './host.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import type { ClientPlan, Fault, Plan } from './plan.ts';
import { SimulatedClient, type World } from './simulated-client.ts';
import { SimulatedServer } from './simulated-server.ts';

export interface Progress {
  readonly hours: number;
  /** Acquires that clients have asked for. */
  readonly acquires: number;
  readonly grants: number;
  readonly crashes: number;
  readonly cuts: number;
  readonly faults: number;
}

export interface Outcome extends Progress {
  readonly violations: readonly Violation[];
  /** What went before, if it was asked for. */
  readonly history: readonly string[];
}

const LOOK_EVERY_MS = 5_000;
const SLOW_BEFORE_MS = 8_000;
const HISTORY_MAX = 5_000;
/** The time after the faults in which everything ends that began before: longer than anybody holds. */
const CALM_MS = 150_000;
const OPERATOR: ClientPlan = {
  seed: 1,
  ttlMs: 15_000,
  connectTimeoutMs: 3_600_000,
  clockRate: 1,
  work: {
    everyMs: 1e12,
    holdMs: 0,
    holdsLong: 0,
    slotsMax: 1,
    severalLimits: 0,
    priority: 0,
    timeout: 0,
    aTry: 0,
    cancel: 0,
    body: 0,
    keepsOn: 0,
    allowsMissing: 0,
    createsMissing: 0,
    check: 0,
  },
};

interface Seat {
  readonly plan: ClientPlan;
  readonly clocks: ClockFaults;
  life: number;
  client: SimulatedClient | null;
}

export class Simulation {
  readonly #plan: Plan;
  readonly #time = new VirtualTime();
  readonly #network: Network;
  readonly #auditor: Auditor;
  readonly #server: SimulatedServer;
  readonly #world: World;
  readonly #seats: Seat[];
  readonly #operator: SimulatedClient;
  readonly #history: string[] = [];
  readonly #keepsHistory: boolean;
  #isBusy = true;
  #faults = 0;
  /** How far the server's wall clock has been ahead of the true time, at the most. */
  #serverAheadMs = 0;
  #cuts = 0;

  constructor(plan: Plan, options: { readonly keepsHistory?: boolean } = {}) {
    const { clients, latencyMs, limits, seed, snapshotEveryFacts } = plan;
    this.#plan = plan;
    this.#keepsHistory = options.keepsHistory ?? false;
    const random = new Random(seed + 1);
    this.#network = new Network(this.#time, random, { latencyMs, isText: plan.isText ?? true });
    this.#auditor = new Auditor(
      () => this.#time.monotonicMs(),
      () => this.#time.wallMs() + this.#serverAheadMs,
      latencyMs[1],
    );
    const note = (text: () => string): void => this.#note(text);
    const base = { time: this.#time, network: this.#network, auditor: this.#auditor, note };
    const shares = limits.flatMap((limit) => Array.from({ length: limit.slots }, () => limit));
    this.#world = { ...base, names: limits, shares, isBusy: () => this.#isBusy };
    this.#server = new SimulatedServer({ ...base, random, snapshotEveryFacts }, (silently) =>
      this.#serverDied(silently),
    );
    this.#server.disk.appendMs = () => plan.appendMs;
    this.#server.start();
    this.#operator = new SimulatedClient(this.#world, 'operator', OPERATOR, 0, { rate: 1, wallOffsetMs: 0 }, () => {});
    this.#seats = clients.map((client) => ({
      plan: client,
      clocks: { rate: client.clockRate, wallOffsetMs: 0 },
      life: 0,
      client: null,
    }));
    for (const [i] of this.#seats.entries()) this.#sit(i);
  }

  get progress(): Progress {
    return {
      hours: this.#time.monotonicMs() / 3_600_000,
      acquires: this.#auditor.acquires,
      grants: this.#auditor.grants,
      crashes: this.#server.crashes,
      cuts: this.#cuts,
      faults: this.#faults,
    };
  }

  /** To the end of the plan, or to the first violation. `passed` is called every simulated minute. */
  async run(passed: (progress: Progress) => void = () => {}): Promise<Outcome> {
    const { hours, faults, changes, limits } = this.#plan;
    const operator = new Operator(
      this.#operator.keeper,
      this.#auditor,
      limits,
      () => this.#time.monotonicMs(),
      (text) => this.#note(text),
    );
    operator.begin();
    await this.#pass(1_000);
    for (const fault of faults) this.#time.setTimer(fault.atMs, () => this.#inflict(fault));
    for (const change of changes) {
      this.#time.setTimer(change.atMs, () => operator.change(change, (ms, then) => this.#time.setTimer(ms, then)));
    }
    this.#lookLater();
    const endMs = this.#time.monotonicMs() + hours * 3_600_000;
    while (this.#time.monotonicMs() < endMs && !this.#isOver()) {
      await this.#pass(Math.min(60_000, endMs - this.#time.monotonicMs()));
      passed(this.progress);
    }
    if (!this.#isOver()) await this.#calmDown(operator);
    return { ...this.progress, violations: this.#auditor.violations, history: this.#history };
  }

  async #calmDown(operator: Operator): Promise<void> {
    this.#isBusy = false;
    await this.#pass(CALM_MS);
    operator.openAll();
    // Who waits in a long line needs longer, as long as it moves.
    for (let before = -1; this.#auditor.position !== before && !this.#auditor.isIdle && !this.#isOver(); ) {
      before = this.#auditor.position;
      await this.#pass(CALM_MS);
    }
    this.#server.compare();
    if (!this.#isOver()) this.#auditor.finish();
  }

  #isOver(): boolean {
    return this.#auditor.violations.length > 0;
  }

  async #pass(byMs: number): Promise<void> {
    try {
      await this.#time.run(this.#time.monotonicMs() + byMs, () => this.#isOver());
    } catch (error) {
      this.#auditor.broken(String((error as Error).stack));
    }
  }

  #note(text: () => string): void {
    if (!this.#keepsHistory) return;
    this.#history.push(`${(this.#time.monotonicMs() / 1_000).toFixed(3)} ${text()}`);
    if (this.#history.length > HISTORY_MAX * 2) this.#history.splice(0, HISTORY_MAX);
  }

  // Looks

  #lookLater(): void {
    this.#time.setTimer(LOOK_EVERY_MS, () => {
      this.#server.compare();
      const view = this.#server.view();
      if (view) this.#auditor.look(view);
      this.#lookLater();
    });
  }

  // Clients

  #sit(index: number): void {
    const seat = this.#seats[index] as Seat;
    seat.life += 1;
    seat.client = new SimulatedClient(
      this.#world,
      `client ${index}.${seat.life}`,
      seat.plan,
      seat.life,
      seat.clocks,
      () => this.#leave(index, 1_000),
    );
  }

  #leave(index: number, forMs: number): void {
    (this.#seats[index] as Seat).client = null;
    this.#time.setTimer(forMs, () => {
      if (this.#isBusy) this.#sit(index);
    });
  }

  get #all(): SimulatedClient[] {
    return [this.#operator, ...this.#seats.flatMap(({ client }) => client ?? [])];
  }

  // Faults

  #serverDied(silently: boolean): void {
    for (const { route, audit } of this.#all) {
      if (!silently) route.cut();
      // It receives nothing until it gives the connection up.
      else this.#auditor.standing.disturbed(audit, this.#time.monotonicMs() + audit.ttlMs);
    }
  }

  #inflict(fault: Fault): void {
    this.#faults += 1;
    this.#note(() => `fault: ${JSON.stringify(fault)}`);
    const nowMs = this.#time.monotonicMs();
    switch (fault.kind) {
      case 'server killed':
        this.#server.kill(fault.forMs, fault.silently);
        return;
      case 'server stopped':
        void this.#server.stop(fault.forMs);
        return;
      case 'server stalled':
        this.#server.stall(fault.forMs);
        return;
      case 'slow journal':
        this.#slowJournal(fault.appendMs, fault.forMs);
        return;
      case 'append fails':
        this.#server.disk.nextAppend = `fails ${fault.when} the write`;
        return;
      case 'crash':
        this.#server.crashForMs = fault.forMs;
        this.#server.disk.crashAt = fault.step;
        return;
      case 'all cut':
        this.#cuts += 1;
        // One after the other, and the server grants meanwhile: nobody counts as undisturbed from the first cut on.
        for (const { audit } of this.#all) this.#auditor.standing.disturbed(audit, nowMs);
        for (const { route } of this.#all) route.cut();
        return;
      case 'all silent':
        this.#cuts += 1;
        for (const client of this.#all) this.#silenceAfter(client, fault);
        return;
      case 'wall jumps': {
        const clocks = fault.client === null ? this.#server.clocks : this.#seats[fault.client]?.clocks;
        if (clocks) clocks.wallOffsetMs += fault.byMs;
        this.#serverAheadMs = Math.max(this.#serverAheadMs, this.#server.clocks.wallOffsetMs);
        return;
      }
      default: {
        const client = this.#seats[fault.client]?.client;
        if (client?.process.isAlive) this.#inflictOn(client, fault, nowMs);
      }
    }
  }

  #inflictOn(client: SimulatedClient, fault: Fault & { readonly client: number | null }, nowMs: number): void {
    const { route, audit, process } = client;
    switch (fault.kind) {
      case 'cut':
        this.#cuts += 1;
        this.#auditor.standing.disturbed(audit, nowMs);
        route.cut();
        return;
      case 'reply lost':
        this.#cuts += 1;
        route.repliesToLose = 1;
        return;
      case 'silent':
        this.#cuts += 1;
        this.#silenceAfter(client, fault);
        return;
      case 'left behind': {
        this.#cuts += 1;
        this.#auditor.standing.disturbed(audit, nowMs + fault.forMs + fault.afterMs + 1_000);
        const letGo = route.stall();
        this.#time.setTimer(fault.forMs, () => letGo(fault.afterMs));
        return;
      }
      case 'slow network':
        this.#auditor.standing.disturbed(audit, nowMs + 2 * (fault.forMs + fault.extraMs));
        route.extraMs += fault.extraMs;
        this.#time.setTimer(fault.forMs, () => {
          route.extraMs -= fault.extraMs;
        });
        return;
      case 'client killed':
        client.kill();
        if (!fault.silently) route.cut();
        this.#leave(fault.client, fault.forMs);
        return;
      case 'client closed':
        void client.close().then(() => {
          if (this.#seats[fault.client]?.client === client) this.#leave(fault.client, fault.forMs);
        });
        return;
      case 'client paused':
      case 'client suspended':
        if (process.isPaused) return;
        process.pause();
        this.#auditor.standing.paused(audit);
        this.#time.setTimer(fault.forMs, () => {
          const stoodStillMs = fault.kind === 'client suspended' ? fault.forMs : 0;
          this.#auditor.standing.resumed(audit, stoodStillMs);
          process.resume(stoodStillMs);
        });
        return;
    }
  }

  #slowJournal(appendMs: number, forMs: number): void {
    const { disk } = this.#server;
    disk.appendMs = () => appendMs;
    this.#auditor.standing.disturbed('server', this.#time.monotonicMs() + forMs + 2 * appendMs);
    this.#time.setTimer(forMs, () => {
      disk.appendMs = () => this.#plan.appendMs;
    });
  }

  /** Answers are under way as the silence begins, if it was slow for a while before. */
  #silenceAfter(client: SimulatedClient, fault: Extract<Fault, { readonly kind: 'silent' | 'all silent' }>): void {
    const { direction, forMs, slowMs } = fault;
    const { audit, route } = client;
    this.#auditor.standing.disturbed(audit, this.#time.monotonicMs() + SLOW_BEFORE_MS + forMs + 2 * slowMs);
    route.extraMs += slowMs;
    this.#time.setTimer(slowMs && SLOW_BEFORE_MS, () => {
      this.#silence(client, direction, forMs);
      route.extraMs -= slowMs;
    });
  }

  #silence({ route, audit }: SimulatedClient, direction: 'to server' | 'to client' | 'both', forMs: number): void {
    this.#auditor.standing.disturbed(audit, this.#time.monotonicMs() + forMs + 1_000);
    const directions = direction === 'both' ? (['to server', 'to client'] as const) : [direction];
    for (const one of directions) route.silent.add(one);
    this.#time.setTimer(forMs, () => {
      for (const one of directions) route.silent.delete(one);
      // Frames are missing: the connection is of no more use.
      route.cut();
    });
  }
}
