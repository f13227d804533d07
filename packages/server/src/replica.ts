/**
 * A replica: one engine over one journal. Commands are decided at once. Their answers are delivered when the batch that was
 * open as they were decided is durable, never before. All that comes in while one write is under way forms the next batch.
 * Each command ends once: its asker learns that it is durable, or that it is lost.
 *
 * Who is right when parts disagree: the journal. A replica whose append fails, or whose engine finds an invariant broken,
 * drops its memory and everyone who is connected, and starts again from the journal.
 */
import {
  type Command,
  canonical,
  Engine,
  type Fact,
  type Notice,
  type Refusal,
  resumed,
  type Step,
} from '@slotkeeper/engine';
import { catchUp, type Journal, replay, type StoredFact } from '@slotkeeper/journal';
import type { Clock, Timer } from '@slotkeeper/protocol';

/** Facts between two snapshots: what a start has to replay at the most, about a tenth of a second. */
const SNAPSHOT_EVERY_FACTS = 50_000;
/** How long history is kept for those who read events. */
const RETENTION_MS = 7 * 24 * 3_600_000;
/** While a deadline is ahead the replica looks at the clock so often, to notice when it could not run. */
const PULSE_MS = 500;
/** Later than this is not jitter: the event loop was blocked or the process stopped. Leases are given that time. */
const STALL_MS = 100;
const RECOVERY_PAUSE_MS = 1_000;

export type Sink = (notice: Notice) => void;

/**
 * The end of what was submitted.
 * - `durable`: it is in the journal, whatever fails from now on. With a refusal nothing has changed; what it was judged by is
 *   durable.
 * - `lost`: the replica failed or stopped first. The journal may have it or not; ask again.
 */
export type Outcome =
  | { readonly is: 'durable'; readonly refusal: Refusal | undefined }
  | { readonly is: 'lost'; readonly reason: string };

export type Settled = (outcome: Outcome) => void;

export interface ReplicaEvents {
  /** All answers of a batch have been handed to their sinks: the moment to write frames. */
  flushed(): void;
  /** Memory was dropped, with all sessions and waiters in it. All that was under way has been told that it is lost. */
  failed(reason: string): void;
  /** Something an operator should know of. */
  log(level: 'info' | 'warn' | 'error', message: string): void;
}

/** To the connection that the session had as it was decided: a later one has told what it knows, and is answered anew. */
interface ToSession {
  readonly notice: Notice;
  readonly sink: Sink | undefined;
}

interface Batch {
  readonly facts: Fact[];
  /** Notices, and those who wait to learn that something is durable, in order. */
  readonly answers: (ToSession | Settled)[];
}

const emptyBatch = (): Batch => ({ facts: [], answers: [] });

/** One object for all: most commands end so. */
const DURABLE: Outcome = { is: 'durable', refusal: undefined };
const STOPPED = 'The server has stopped.';

export class Replica {
  readonly #openJournal: () => Journal;
  readonly #clock: Clock;
  readonly #snapshotEveryFacts: number;
  readonly #listeners: Partial<ReplicaEvents>[] = [];
  readonly #sinks = new Map<string, Sink>();
  /** Who waits for a limit to be empty, by its name. */
  readonly #drains = new Map<string, Settled[]>();
  #journal: Journal | null = null;
  #engine: Engine | null = null;
  #epoch = 0;
  #snapshotAt = 0;
  /** Engine time at monotonic time 0. */
  #timeOffsetMs = 0;
  #durablePosition = 0;
  /** Open: what is decided joins it. */
  #batch = emptyBatch();
  /** Its write is under way. */
  #written: Batch | null = null;
  /** To be told that they have lost something, in a turn of their own. */
  #lost: (() => void)[] = [];
  #flushing: Promise<void> | null = null;
  #flushIsDue = false;
  #timer: { readonly dueMs: number; readonly timer: Timer } | null = null;
  #stopped = false;
  /** Snapshot and retention, which go on beside the batches. */
  #tidying: Promise<void> | null = null;
  #recovering: Promise<void> | null = null;
  #endPause = (): void => {};

  private constructor(openJournal: () => Journal, clock: Clock, snapshotEveryFacts: number) {
    this.#openJournal = openJournal;
    this.#clock = clock;
    this.#snapshotEveryFacts = snapshotEveryFacts;
  }

  /**
   * Opens the journal, replays it, and is ready to decide. `openJournal` makes a new journal over the same store each time
   * that the replica starts again; after each `snapshotEveryFacts` facts its state is kept in the journal. Rejects with the `JournalError` if it cannot be opened.
   */
  static async start(
    openJournal: () => Journal,
    clock: Clock,
    snapshotEveryFacts = SNAPSHOT_EVERY_FACTS,
  ): Promise<Replica> {
    const replica = new Replica(openJournal, clock, snapshotEveryFacts);
    try {
      await replica.#recover();
    } catch (error) {
      await replica.stop();
      throw error;
    }
    return replica;
  }

  on(events: Partial<ReplicaEvents>): void {
    this.#listeners.push(events);
  }

  /** False while it starts again from the journal, and after `stop`. */
  get ready(): boolean {
    return this.#engine !== null && !this.#stopped;
  }

  /** What keeps the state, and where. */
  get description(): string {
    return (this.#journal as Journal).description;
  }

  /** Facts up to it are durable. */
  get durablePosition(): number {
    return this.#durablePosition;
  }

  /** The engine, for reading. Reveal what is read only through `confirm`. Throws unless `ready`. */
  get engine(): Pick<Engine, 'state' | 'nowMs' | 'limitView' | 'activeSlots' | 'holders' | 'waiters' | 'isValid'> {
    return this.#running();
  }

  /**
   * Decides at once and returns the refusal, if any. Do not reveal it before `settled` runs, which is when the decision is
   * durable. `settled` is called exactly once, never before this returns: also if the replica fails at this very command, if
   * it fails or stops later, and if it does not run. `sink` is attached to the session that the command opens, unless it is
   * refused.
   */
  submit(command: Command, settled?: Settled, sink?: Sink): Refusal | undefined {
    const engine = this.#stopped ? null : this.#engine;
    if (engine) this.#noticeStall(engine);
    const step = engine && engine === this.#engine ? this.#step(engine, command, sink) : undefined;
    if (!step) {
      if (settled) this.#lose([settled]);
      return undefined;
    }
    const { refusal } = step;
    if (settled) this.#batch.answers.push(refusal ? (outcome) => settled(refusedIfDurable(outcome, refusal)) : settled);
    this.#setTimer();
    return refusal;
  }

  /** Calls `settled` exactly once, never before this returns: once all that has been decided so far is durable, or lost. */
  confirm(settled: Settled): void {
    if (!this.ready) {
      this.#lose([settled]);
      return;
    }
    this.#batch.answers.push(settled);
    this.#flushSoon();
  }

  /** What is durable of the history, as `Journal.read` does. Rejects unless `ready`. */
  async read(after: number, limit: number): Promise<readonly StoredFact[]> {
    this.#running();
    return (this.#journal as Journal).read(after, limit);
  }

  /** As `confirm`, once nobody holds the limit that is draining; with a refusal if it was resumed before. */
  whenDrained(name: string, settled: Settled): void {
    if (!this.ready) {
      this.#lose([settled]);
      return;
    }
    this.#drains.set(name, [...(this.#drains.get(name) ?? []), settled]);
    this.#lookAtDrains(this.#running());
  }

  /** Notices for `session` go to `sink` from now on, each once it is durable, in order. */
  attach(session: string, sink: Sink): void {
    this.#sinks.set(session, sink);
  }

  /** Takes `sink` off, if it is still the session's. */
  detach(session: string, sink: Sink): void {
    if (this.#sinks.get(session) === sink) this.#sinks.delete(session);
  }

  /** Makes durable what has been decided, delivers it, and closes the journal. What is submitted meanwhile is lost. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    await this.#flushing;
    if (this.#engine) this.#startFlush();
    await this.#flushing;
    this.#stopped = true;
    this.#timer?.timer.cancel();
    this.#lose(this.#underWay(), STOPPED);
    this.#endPause();
    await this.#recovering;
    await this.#tidying;
    if (this.#engine && this.#journal) await this.#tidy(this.#engine, this.#journal);
    await this.#journal?.close();
  }

  #running(): Engine {
    if (!this.#engine || this.#stopped) throw new Error('the replica is not running');
    return this.#engine;
  }

  /** What the step comes to joins the open batch. Undefined if the replica has failed at it. */
  #step(engine: Engine, command: Command, sink?: Sink): Step | undefined {
    const step = this.#decide(engine, command);
    if (!step) return undefined;
    // Not by spreading: a step may have more facts than a call can have arguments.
    for (const fact of step.facts) this.#batch.facts.push(fact);
    for (const notice of step.notices) {
      // That a connection is to be closed needs no journal, and must not wait: what comes over it counts no more.
      if (notice.type === 'disconnect') this.#sinks.get(notice.sessionId)?.(notice);
    }
    if (sink && command.type === 'session.open' && !step.refusal) this.attach(command.sessionId, sink);
    for (const notice of step.notices) {
      if (notice.type !== 'disconnect') this.#batch.answers.push({ notice, sink: this.#sinks.get(notice.sessionId) });
    }
    if (this.#drains.size > 0) this.#lookAtDrains(engine);
    this.#flushSoon();
    return step;
  }

  #decide(engine: Engine, command: Command): Step | undefined {
    try {
      return engine.step(command, this.nowMs);
    } catch (error) {
      this.#fail(`a broken invariant: ${(error as Error).stack}`);
      return undefined;
    }
  }

  /** Engine time. What is seen at it may be later than the last step: a rate's slots come back meanwhile. */
  get nowMs(): number {
    return this.#timeOffsetMs + this.#clock.monotonicMs();
  }

  // Durability

  #flushSoon(): void {
    if (this.#flushIsDue || this.#flushing) return;
    this.#flushIsDue = true;
    this.#clock.soon(() => {
      this.#flushIsDue = false;
      if (this.ready && !this.#flushing) this.#startFlush();
    });
  }

  #startFlush(): void {
    const engine = this.#running();
    const batch = this.#batch;
    this.#batch = emptyBatch();
    if (batch.facts.length === 0) this.#deliver(batch);
    else this.#flushing = this.#flush(engine, this.#journal as Journal, batch);
  }

  async #flush(engine: Engine, journal: Journal, batch: Batch): Promise<void> {
    const { facts } = batch;
    this.#written = batch;
    try {
      await journal.append(facts, { epoch: this.#epoch, after: engine.state.position - facts.length });
      // An engine that has failed meanwhile has lost it.
      if (this.#written === batch) {
        this.#written = null;
        this.#durablePosition += facts.length;
        this.#deliver(batch);
      }
    } catch (error) {
      if (engine === this.#engine) this.#fail((error as Error).message);
    }
    this.#flushing = null;
    if (this.ready && (this.#batch.facts.length > 0 || this.#batch.answers.length > 0)) this.#flushSoon();
    const isDue = engine.state.position - this.#snapshotAt >= this.#snapshotEveryFacts;
    if (isDue && engine === this.#engine) this.#tidySoon(engine, journal);
  }

  /**
   * All of it, also if the replica fails meanwhile: it is durable. Whoever throws has missed something that nobody can say
   * again, so the replica starts again.
   */
  #deliver({ answers }: Batch): void {
    let failure: Error | undefined;
    for (const answer of answers) {
      try {
        if (typeof answer === 'function') answer(DURABLE);
        else answer.sink?.(answer.notice);
      } catch (error) {
        failure ??= error as Error;
      }
    }
    for (const listener of this.#listeners) {
      try {
        listener.flushed?.();
      } catch (error) {
        failure ??= error as Error;
      }
    }
    if (failure && this.ready) this.#fail(`an answer could not be delivered: ${failure.stack}`);
  }

  #tidySoon(engine: Engine, journal: Journal): void {
    this.#tidying ??= this.#tidy(engine, journal).finally(() => {
      this.#tidying = null;
    });
  }

  /**
   * Only a state that is durable is worth keeping: with facts of the next batch in it, it waits for that one. Nothing
   * depends on it: what goes wrong is said, and tried again after as many facts.
   */
  async #tidy(engine: Engine, journal: Journal): Promise<void> {
    const { position } = engine.state;
    if (position !== this.#durablePosition || position === this.#snapshotAt) return;
    this.#snapshotAt = position;
    try {
      await journal.saveSnapshot(position, [canonical(engine.state)]);
      await journal.retain(this.nowMs - RETENTION_MS);
    } catch (error) {
      if (engine === this.#engine) this.#log('warn', `No snapshot was kept: ${(error as Error).message}`);
    }
  }

  // Start, and start again

  async #recover(): Promise<void> {
    const journal = this.#openJournal();
    // From here on it is closed, whatever follows.
    this.#journal = journal;
    const followed = await journal.follow();
    const state = await replay(followed);
    const led = await journal.lead();
    await catchUp(state, journal, led.position);
    if (this.#stopped) return;
    this.#epoch = led.epoch;
    this.#snapshotAt = followed.snapshot?.position ?? 0;
    this.#durablePosition = state.position;
    // Engine time goes on from the last fact; what the journal's clock is ahead of it is added.
    const nowMs = Math.max(state.atMs, led.nowMs);
    this.#timeOffsetMs = nowMs - this.#clock.monotonicMs();
    this.#engine = new Engine(state, { epoch: led.epoch, nowMs });
    this.submit({ type: 'tick' });
    if (!this.#engine) throw new Error('the engine fails at its first step');
  }

  /** From here on nothing is decided. Askers and listeners learn it in a turn of their own, before the replica runs again. */
  #fail(reason: string): void {
    const lost = this.#underWay();
    this.#engine = null;
    this.#timer?.timer.cancel();
    this.#timer = null;
    this.#sinks.clear();
    this.#log('error', `Started again from the journal, since what was under way could not be kept: ${reason}`);
    this.#lose(lost, reason);
    this.#recovering ??= this.#startAgain(reason).finally(() => {
      this.#recovering = null;
    });
  }

  async #startAgain(reason: string): Promise<void> {
    await null;
    this.#settleLost();
    for (const listener of this.#listeners) this.#attempt(() => listener.failed?.(reason));
    await this.#recoverUntilItWorks();
  }

  /** Takes all that has not been told how it ended. */
  #underWay(): Settled[] {
    const answers = [...(this.#written?.answers ?? []), ...this.#batch.answers];
    const drains = [...this.#drains.values()].flat();
    this.#written = null;
    this.#batch = emptyBatch();
    this.#drains.clear();
    return [...answers.filter((answer) => typeof answer === 'function'), ...drains];
  }

  #lose(lost: readonly Settled[], reason = 'The server is starting again, or has stopped.'): void {
    if (this.#lost.length === 0) queueMicrotask(() => this.#settleLost());
    const outcome: Outcome = { is: 'lost', reason };
    for (const settled of lost) this.#lost.push(() => settled(outcome));
  }

  #settleLost(): void {
    const lost = this.#lost;
    this.#lost = [];
    for (const settle of lost) this.#attempt(settle);
  }

  /** For what is told of a failure: another one changes nothing, and must keep nobody from learning of it. */
  #attempt(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#log('error', `A bug: ${(error as Error).stack}`);
    }
  }

  async #recoverUntilItWorks(): Promise<void> {
    while (!this.#stopped && !this.#engine) {
      try {
        await this.#journal?.close();
        await this.#recover();
        if (this.#engine) this.#log('info', 'Running again.');
      } catch (error) {
        this.#log('error', `Cannot start from the journal yet: ${(error as Error).message}`);
        await new Promise<void>((resolve) => {
          this.#endPause = resolve;
          this.#clock.setTimer(RECOVERY_PAUSE_MS, resolve);
        });
      }
    }
  }

  #log(level: 'info' | 'warn' | 'error', message: string): void {
    for (const listener of this.#listeners) listener.log?.(level, message);
  }

  // Time

  /** One timer at the most; one that fires before it need costs less than setting it anew for each command. */
  #setTimer(): void {
    const wakeAtMs = this.#engine?.wakeAtMs ?? null;
    if (wakeAtMs === null) return;
    const nowMs = this.nowMs;
    const dueMs = Math.min(Math.max(wakeAtMs, nowMs), nowMs + PULSE_MS);
    if (this.#timer && this.#timer.dueMs <= dueMs) return;
    this.#timer?.timer.cancel();
    this.#timer = { dueMs, timer: this.#clock.setTimer(dueMs - nowMs, () => this.#wake()) };
  }

  #wake(): void {
    if (!this.ready) return;
    if (this.#noticeStall(this.#running())) {
      // Deadlines have moved; what has arrived meanwhile is read before any is acted on.
      this.#clock.soon(() => this.#tick());
    } else {
      this.#timer = null;
      this.#tick();
    }
  }

  #tick(): void {
    if (!this.ready) return;
    const isDue = (this.#running().wakeAtMs ?? Number.POSITIVE_INFINITY) <= this.nowMs;
    if (isDue) this.submit({ type: 'tick' });
    else this.#setTimer();
  }

  /**
   * The timer is long overdue: the host could not run. The server's own downtime counts against no lease, so all deadlines
   * move; before anything that was heard since moves one further.
   */
  #noticeStall(engine: Engine): boolean {
    const lateMs = this.#timer ? this.nowMs - this.#timer.dueMs : 0;
    if (lateMs < STALL_MS) return false;
    this.#timer?.timer.cancel();
    this.#timer = null;
    this.#step(engine, { type: 'stalled', byMs: lateMs });
    return true;
  }

  #lookAtDrains(engine: Engine): void {
    for (const [name, waiting] of this.#drains) {
      const limit = engine.state.limits.get(name);
      const isEmpty = !limit || limit.leases.size === 0;
      if (!isEmpty && limit.settings.mode === 'draining') continue;
      this.#drains.delete(name);
      for (const settled of waiting) {
        this.confirm(isEmpty ? settled : (outcome) => settled(refusedIfDurable(outcome, resumed(name))));
      }
    }
  }
}

/** The outcome of what was refused. */
export function refusedIfDurable(outcome: Outcome, refusal: Refusal): Outcome {
  return outcome.is === 'durable' ? { is: 'durable', refusal } : outcome;
}
