/**
 * A replica: one engine over one journal. Commands are decided at once. Their answers are delivered when the batch that was
 * open as they were decided is durable, never before.
 *
 *                                        ┌──────── led again ────────┐
 *                                        ▼                           │
 *   opening ── replayed, and leads ──▶ running ── it fails ──▶ recovering ◀┐ the journal cannot be led yet: again in 1 s
 *      │                                 │                       │   └─────┘
 *      │ cannot, or stop                 │ stop                  │ stop
 *      ▼                                 ▼                       ▼
 *   stopping ◀───────────────────────────┴───────────────────────┘
 *      └── the journal is closed ──▶ stopped
 *
 * While it runs it leads: it alone may append. It fails when an append or a confirmation fails, when the engine finds an
 * invariant broken, and when an answer cannot be delivered. A single server leads as soon as it has replayed; a replica that
 * follows another one's epoch would do so between opening and running.
 *
 * Who is right when parts disagree: the journal. What lives from one opening to the next failure is a `Run`: engine, batches,
 * pulse, drains, compaction. A failure drops the run and all that was in its memory, sessions and waiters included.
 *
 * Each command ends once: `durable`, or `lost` if the replica fails or stops first. No callback runs within `submit`. When the
 * replica fails:
 * 1. The run is over at once: `ready` is false, and nothing of it is delivered any more.
 * 2. In a later turn all callbacks of lost commands are called, in order.
 * 3. Listeners are called with `failed`.
 * 4. The journal is closed, opened and replayed, until that succeeds. A replica that fails within a second of running again
 *    pauses first, so that a failure that comes back each time does not keep the process busy.
 */
import { type Bounds, type Command, Engine, type Refusal, type Step } from '@slotkeeper/engine';
import { catchUp, type Journal, replay, type Space, type StoredFact } from '@slotkeeper/journal';
import type { Clock } from '@slotkeeper/protocol';
import { Batch, type Sink } from './batch.ts';
import { Compaction, type CompactionBounds, compactionBounds } from './compaction.ts';
import { Drains } from './drains.ts';
import { GroupCommit } from './group-commit.ts';
import { type Outcome, refusedIfDurable, type Settled } from './outcome.ts';
import { Pulse } from './pulse.ts';

const RECOVERY_PAUSE_MS = 1_000;
/** Engine time and the wall clock are apart by at least so much, or they count as one. */
const APART_MS = 1_000;

const STOPPED = 'The server has stopped.';

export interface ReplicaEvents {
  /** All answers of a batch have been handed to their sinks. Write frames now. */
  flushed(): void;
  /** The replica's memory was dropped, with all sessions and waiters. All that was under way has been settled as lost. */
  failed(reason: string): void;
  /** Something that an operator should know. */
  log(level: 'info' | 'warn' | 'error', message: string): void;
}

type Mode = 'opening' | 'running' | 'recovering' | 'stopping' | 'stopped';

const TRANSITIONS: { readonly [M in Mode]: readonly Mode[] } = {
  opening: ['running', 'stopping'],
  running: ['recovering', 'stopping'],
  recovering: ['running', 'stopping'],
  stopping: ['stopped'],
  stopped: [],
};

interface Run {
  readonly engine: Engine;
  readonly commit: GroupCommit;
  readonly pulse: Pulse;
  readonly drains: Drains;
  readonly compaction: Compaction;
}

export class Replica {
  readonly #openJournal: () => Journal;
  readonly #clock: Clock;
  readonly #bounds: CompactionBounds & Partial<Bounds>;
  readonly #listeners: Partial<ReplicaEvents>[] = [];
  readonly #sinks = new Map<string, Sink>();
  #mode: Mode = 'opening';
  /** Invariant: not null while running. */
  #run: Run | null = null;
  /** The journal that was opened last. It is closed however the start ends. */
  #journal: Journal | null = null;
  /** Engine time at monotonic time 0. */
  #timeOffsetMs = 0;
  #aheadMs = 0;
  #durablePosition = 0;
  /** Callbacks that will learn in a later turn that their command is lost. */
  #lost: (() => void)[] = [];
  /** Why the last run ended. */
  #lostBecause = '';
  #recovered: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;
  #endPause = (): void => {};
  /** When it last ran again, on the monotonic clock. */
  #ranAgainAtMs = Number.NEGATIVE_INFINITY;

  private constructor(openJournal: () => Journal, clock: Clock, bounds: CompactionBounds & Partial<Bounds>) {
    this.#openJournal = openJournal;
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /**
   * Opens the journal, replays it, and is ready to decide. `openJournal` makes a new journal over the same store each time
   * that the replica starts again; `bounds` are those of what it keeps, in the journal and for clients. Rejects with the `JournalError` if it cannot be opened.
   */
  static async start(
    openJournal: () => Journal,
    clock: Clock,
    bounds: Partial<CompactionBounds & Bounds> = {},
  ): Promise<Replica> {
    const replica = new Replica(openJournal, clock, { ...bounds, ...compactionBounds(bounds) });
    try {
      replica.#begin(await replica.#open());
    } catch (error) {
      await replica.stop();
      throw error;
    }
    return replica;
  }

  on(events: Partial<ReplicaEvents>): void {
    this.#listeners.push(events);
  }

  /** False while the replica starts again from the journal, and once it stops. */
  get ready(): boolean {
    return this.#mode === 'running';
  }

  /** The kind of journal and where it is. */
  get description(): string {
    return (this.#journal as Journal).description;
  }

  /** The position of the last durable fact. */
  get durablePosition(): number {
    return this.#run?.commit.durablePosition ?? this.#durablePosition;
  }

  /** The space on the journal's disk now; undefined if it is on none. */
  get space(): Space | undefined {
    return this.#journal?.space();
  }

  /** The engine, for reading. Reveal what is read only through `confirm`. Throws unless `ready`. */
  get engine(): Pick<
    Engine,
    'state' | 'nowMs' | 'limitView' | 'activeSlots' | 'limits' | 'holders' | 'waiters' | 'isValid'
  > {
    return this.#running().engine;
  }

  /** Engine time now. It may be later than the last step; a rate's slots come back meanwhile. */
  get nowMs(): number {
    return this.#timeOffsetMs + this.#clock.monotonicMs();
  }

  /** By how much engine time is ahead of the wall clock (or behind, below 0), if they are apart. For times of day alone. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /**
   * Decides at once and returns the refusal, if any. Do not reveal it before `settled` runs, which is when the decision is
   * durable. `settled` is called exactly once, never before this returns: also if the replica fails at this very command, if
   * it fails or stops later, and if it does not run. `sink` is attached to the session that the command opens, unless it is
   * refused.
   */
  submit(command: Command, settled?: Settled, sink?: Sink): Refusal | undefined {
    const monotonicMs = this.#clock.monotonicMs();
    this.#run?.pulse.check(monotonicMs);
    const run = this.#run;
    const step = run && this.#step(run, command, this.#timeOffsetMs + monotonicMs, sink);
    // The replica may have failed at this step, or at what a connection submitted that the step displaced.
    if (!step || run !== this.#run) {
      if (settled) this.#lose([settled]);
      return undefined;
    }
    const { refusal } = step;
    const batch = run.commit.batch();
    if (settled) batch.settle(refusal ? (outcome) => settled(refusedIfDurable(outcome, refusal)) : settled);
    this.#setPulse(run);
    return refusal;
  }

  /** Calls `settled` exactly once, never before this returns: once all that has been decided so far is durable, or lost. */
  confirm(settled: Settled): void {
    if (this.#run) this.#run.commit.batch().settle(settled);
    else this.#lose([settled]);
  }

  /** As `confirm`, once nobody holds the limit that is draining; with a refusal if it was resumed before. */
  whenDrained(name: string, settled: Settled): void {
    if (!this.#run) {
      this.#lose([settled]);
      return;
    }
    this.#run.drains.add(name, settled);
    // Drains are checked as a batch is closed, so open one.
    this.#run.commit.batch();
  }

  /** Reads durable facts, as `Journal.read` does. Rejects unless `ready`. */
  async read(after: number, limit: number): Promise<readonly StoredFact[]> {
    this.#running();
    return (this.#journal as Journal).read(after, limit);
  }

  /** From now on `sink` receives the session's notices, each once it is durable, in order. */
  attach(session: string, sink: Sink): void {
    this.#sinks.set(session, sink);
  }

  /** Ends that, if `sink` is still the session's. */
  detach(session: string, sink: Sink): void {
    if (this.#sinks.get(session) === sink) this.#sinks.delete(session);
  }

  /** Makes durable what has been decided, delivers it, and closes the journal. What is decided while it does so is lost. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  #running(): Run {
    if (!this.#run) throw new Error('the replica is not running');
    return this.#run;
  }

  #enter(mode: Mode): void {
    if (!TRANSITIONS[this.#mode].includes(mode)) throw new Error(`a replica that is ${this.#mode} cannot be ${mode}`);
    this.#mode = mode;
  }

  // Steps

  /** Takes a step, and adds its facts and notices to the open batch. Undefined if the replica failed at it. */
  #step(run: Run, command: Command, nowMs: number, sink?: Sink): Step | undefined {
    const batch = run.commit.batch();
    let step: Step;
    try {
      step = run.engine.step(command, nowMs);
      batch.decide(step.facts);
      for (const notice of step.notices) {
        // A disconnect changes nothing durable, so it does not wait: nothing more that comes over that connection may count.
        if (notice.type === 'disconnect') this.#sinks.get(notice.sessionId)?.(notice);
      }
    } catch (error) {
      this.#fail(run, `a broken invariant: ${(error as Error).stack}`);
      return undefined;
    }
    if (sink && command.type === 'session.open' && !step.refusal) this.attach(command.sessionId, sink);
    for (const notice of step.notices) {
      if (notice.type !== 'disconnect') batch.notify(notice, this.#sinks.get(notice.sessionId));
    }
    return step;
  }

  #setPulse({ engine, pulse }: Run): void {
    const { wakeAtMs } = engine;
    if (wakeAtMs !== null) pulse.set(wakeAtMs - this.#timeOffsetMs);
  }

  #wake(run: Run): void {
    this.#compareClocks();
    const isDue = (run.engine.wakeAtMs ?? Number.POSITIVE_INFINITY) <= this.nowMs;
    if (isDue) this.submit({ type: 'tick' });
    else this.#setPulse(run);
  }

  // Start, and start again

  /** Opens a journal, leads it, and makes a run over it, which is not running yet. */
  async #open(): Promise<Run> {
    const journal = this.#openJournal();
    this.#journal = journal;
    const followed = await journal.follow();
    const state = await replay(followed);
    const led = await journal.lead();
    await catchUp(state, journal, led.position);
    // Engine time goes on from the last fact, or from the journal's clock if that is ahead.
    const nowMs = Math.max(state.atMs, led.nowMs);
    this.#timeOffsetMs = nowMs - this.#clock.monotonicMs();
    this.#compareClocks();
    const engine = new Engine(state, { epoch: led.epoch, nowMs }, this.#bounds);
    // The first step comes before anybody can ask: it does what is due, and an engine that fails at it never runs.
    const first = new Batch();
    first.decide(engine.step({ type: 'tick' }, nowMs).facts);
    const drains = new Drains();
    const compaction = new Compaction({
      journal,
      snapshotPosition: followed.snapshot?.position ?? 0,
      bounds: this.#bounds,
      startedAtMs: nowMs,
      warn: (message) => {
        if (run === this.#run) this.#log('warn', message);
      },
    });
    const commit: GroupCommit = new GroupCommit(journal, led, first, this.#clock, {
      closing: (batch) => {
        drains.settle(batch, state);
        const { decidedPosition } = commit;
        if (state.position === decidedPosition) compaction.batchClosed(state);
        else
          this.#fail(run, `a broken invariant: the state is at ${state.position}, its batches at ${decidedPosition}`);
      },
      delivered: () => {
        compaction.batchDurable();
        this.#flushed();
      },
      failed: (reason) => this.#fail(run, reason),
    });
    const pulse = new Pulse(this.#clock, {
      stoodStill: (byMs, atMs) => this.#step(run, { type: 'stalled', byMs }, this.#timeOffsetMs + atMs),
      wake: () => this.#wake(run),
    });
    const run: Run = { engine, commit, pulse, drains, compaction };
    return run;
  }

  /** The wall clock may have been set since it was last looked at. */
  #compareClocks(): void {
    const aheadMs = this.nowMs - this.#clock.wallMs();
    if (Math.abs(aheadMs) < APART_MS) this.#aheadMs = 0;
    else if (Math.abs(aheadMs - this.#aheadMs) >= APART_MS) this.#aheadMs = aheadMs;
  }

  #begin(run: Run): void {
    this.#enter('running');
    this.#run = run;
    run.commit.batch();
    this.#setPulse(run);
  }

  #fail(run: Run, reason: string): void {
    if (run !== this.#run) return;
    this.#enter('recovering');
    this.#endRun(reason);
    this.#sinks.clear();
    this.#log('error', `Started again from the journal, since what was under way could not be kept: ${reason}`);
    this.#recovered = this.#recover(reason);
  }

  async #recover(reason: string): Promise<void> {
    await null;
    this.#settleLost();
    for (const listener of this.#listeners) this.#attempt(() => listener.failed?.(reason));
    if (this.#clock.monotonicMs() - this.#ranAgainAtMs < RECOVERY_PAUSE_MS) await this.#pause();
    while (this.#mode === 'recovering') {
      try {
        await this.#journal?.close();
        const run = await this.#open();
        if (this.#mode !== 'recovering') return;
        this.#ranAgainAtMs = this.#clock.monotonicMs();
        this.#begin(run);
        this.#log('info', 'Running again.');
        return;
      } catch (error) {
        if (this.#mode !== 'recovering') return;
        this.#log('error', `Cannot start from the journal yet: ${(error as Error).message}`);
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#clock.setTimer(RECOVERY_PAUSE_MS, resolve);
    });
  }

  async #stop(): Promise<void> {
    await this.#run?.commit.flush();
    const run = this.#run;
    // Commands may have been decided since then.
    const isDurable = run?.commit.decidedPosition === run?.commit.durablePosition;
    this.#enter('stopping');
    this.#endRun(STOPPED);
    this.#settleLost();
    this.#endPause();
    await this.#recovered;
    await run?.compaction.idle();
    if (run && isDurable) await run.compaction.finish(run.engine.state);
    await this.#journal?.close();
    this.#enter('stopped');
  }

  /** Ends the run: it decides and delivers nothing any more. */
  #endRun(reason: string): void {
    const run = this.#run;
    this.#run = null;
    if (!run) return;
    this.#durablePosition = run.commit.durablePosition;
    run.pulse.stop();
    this.#lostBecause = reason;
    this.#lose([...run.commit.abandon(), ...run.drains.abandon()]);
  }

  // Callbacks and listeners

  #lose(lost: readonly Settled[]): void {
    if (this.#lost.length === 0) queueMicrotask(() => this.#settleLost());
    const outcome: Outcome = { is: 'lost', reason: this.#lostBecause };
    for (const settled of lost) this.#lost.push(() => settled(outcome));
  }

  #settleLost(): void {
    const lost = this.#lost;
    this.#lost = [];
    for (const settle of lost) this.#attempt(settle);
  }

  /** Calls all listeners, then throws the first error of one. */
  #flushed(): void {
    let failure: unknown;
    for (const listener of this.#listeners) {
      try {
        listener.flushed?.();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure) throw failure;
  }

  #log(level: 'info' | 'warn' | 'error', message: string): void {
    for (const listener of this.#listeners) {
      try {
        listener.log?.(level, message);
      } catch {
        // There is nobody left to log it.
      }
    }
  }

  /** Runs a callback that learns of a failure. Its own error is ignored, so that the others still learn of the failure. */
  #attempt(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#log('error', `A bug: ${(error as Error).stack}`);
    }
  }
}
