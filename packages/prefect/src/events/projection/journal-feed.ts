/**
 * Feeds the journal's durable facts to the store, in the background. It may lag behind: it uses only a small part of the event
 * loop's time, since grants come first.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { JournalError, type StoredFact } from '@slotkeeper/journal';
import type { Host } from '../../host.ts';
import type { EventLog } from '../store/event-log.ts';
import { MisfitError } from './projection.ts';
import { projectionStateOf } from './projection-state.ts';

const FACTS_AT_ONCE = 500;
/** The least pause after each read. New facts gather meanwhile, and are read together. */
const PAUSE_MIN_MS = 20;
/** When the event loop is busy for more than this part of the time, the feed uses at most a twentieth of it. */
const BUSY = 0.5;
const PAUSE_FACTOR = 19;
const RETRY_MS = 2_000;

const GAP =
  'Events about slots go on from now: the journal has not, or no more, what came after those that are kept (another journal, or a long time without events).';

export interface JournalFeedOptions {
  readonly host: Host;
  readonly events: EventLog;
  readonly warn: (message: string) => void;
}

export class JournalFeed {
  readonly #host: Host;
  readonly #events: EventLog;
  readonly #warn: (message: string) => void;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** Resolves when all past facts have been folded for the first time, or a failure to do so has been logged. */
  readonly caughtUp: Promise<void>;
  #caughtUp = (): void => {};
  /** The position of the last fact that was folded. */
  #position = 0;
  #wake = (): void => {};
  /** Whether the present failure has been logged. */
  #hasWarned = false;
  #usage = performance.eventLoopUtilization();

  constructor({ host, events, warn }: JournalFeedOptions) {
    this.#host = host;
    this.#events = events;
    this.#warn = warn;
    host.on({
      flushed: () => {
        if (this.#isBehind()) this.#wake();
      },
    });
    this.caughtUp = new Promise((resolve) => {
      this.#caughtUp = resolve;
    });
    this.#running = this.#run();
  }

  /** Stops. The next start folds the facts that are left. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        this.#position = await this.#start();
        await this.#follow();
      } catch (error) {
        if (this.#stop.signal.aborted) return this.#caughtUp();
        if (error instanceof MisfitError) await this.#startFromPresent().catch(() => {});
        if (!this.#hasWarned) this.#warn(`Events lag behind until this is over: ${(error as Error).message}`);
        this.#hasWarned = true;
        this.#caughtUp();
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Resolves to the position up to which the store agrees with the journal. */
  async #start(): Promise<number> {
    for (let hasWarned = false; ; hasWarned = true) {
      const { position, atMs } = await this.#events.call('head');
      if (await this.#isInStep(position ?? 0, atMs)) return position ?? 0;
      if (position !== null && !hasWarned) this.#warn(GAP);
      // The store belongs to another journal, or the history that it needs is gone, so it goes on from the present state. That
      // may have facts that are not durable yet, so the loop compares again once the journal has them.
      await this.#startFromPresent();
    }
  }

  async #startFromPresent(): Promise<void> {
    await this.#events.call('startFrom', projectionStateOf(this.#host.engine.state));
    await this.#pause(PAUSE_MIN_MS);
  }

  /** Whether the journal continues from the store's position. */
  async #isInStep(position: number, atMs: number | null): Promise<boolean> {
    const last = position > 0 ? await this.#read(position - 1, 1) : undefined;
    if (last) return last[0]?.fact.at === atMs;
    // Retention has removed the fact at that position, so it cannot be compared.
    return (await this.#read(position, 1)) !== undefined;
  }

  /** Folds facts as they become durable. Resolves if history that it needs is gone. */
  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const startMs = performance.now();
      const stored = await this.#read(this.#position, FACTS_AT_ONCE);
      if (!stored) return;
      if (stored.length > 0) {
        const facts = stored.map(({ fact }) => fact);
        const folded = this.#events.call('fold', this.#position, facts, Date.now());
        const tookMs = performance.now() - startMs;
        await folded;
        this.#hasWarned = false;
        this.#position += facts.length;
        await this.#pause(this.#isBusy() ? Math.max(PAUSE_MIN_MS, PAUSE_FACTOR * tookMs) : PAUSE_MIN_MS);
      } else if (this.#isBehind()) await this.#pause(PAUSE_MIN_MS);
      else {
        this.#caughtUp();
        await this.#woken();
      }
    }
  }

  #isBehind(): boolean {
    return this.#host.durablePosition > this.#position;
  }

  /** Whether the event loop was busy since the last call. */
  #isBusy(): boolean {
    const before = this.#usage;
    this.#usage = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(this.#usage, before).utilization > BUSY;
  }

  /** Resolves to undefined if the history is gone. */
  async #read(after: number, limit: number): Promise<readonly StoredFact[] | undefined> {
    try {
      return await this.#host.read(after, limit);
    } catch (error) {
      if (error instanceof JournalError && error.code === 'HISTORY_GONE') return undefined;
      throw error;
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#stop.signal.aborted) resolve();
    });
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.#stop.signal }).catch(() => {});
  }
}
