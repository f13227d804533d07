/**
 * From the journal to the events, in the background: what has become durable is read again and folded. It may lag behind,
 * since it takes only a small part of the event loop's time; what grants need comes first.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { JournalError, type StoredFact } from '@slotkeeper/journal';
import type { Host } from '../../host.ts';
import type { EventLog } from '../store/event-log.ts';
import { MisfitError } from './projection.ts';
import { projectionStateOf } from './projection-state.ts';

const FACTS_AT_ONCE = 500;
/** After each read it pauses so long: others gather meanwhile. */
const PAUSE_MIN_MS = 20;
/** Of an event loop that is busy for more than half of the time it takes a twentieth at the most. */
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
  /** When all that happened before has been folded for the first time, or why it is not has been said. */
  readonly caughtUp: Promise<void>;
  #caughtUp = (): void => {};
  /** Up to which facts are folded. */
  #position = 0;
  #wake = (): void => {};
  /** That something goes wrong. */
  #isTold = false;
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

  /** What is not folded by then is when it starts again. */
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
        if (!this.#isTold) this.#warn(`Events lag behind until this is over: ${(error as Error).message}`);
        this.#isTold = true;
        this.#caughtUp();
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Resolves to the position up to which the store is in step with the journal. */
  async #start(): Promise<number> {
    for (let isTold = false; ; isTold = true) {
      const { position, atMs } = await this.#events.call('head');
      if (await this.#isInStep(position ?? 0, atMs)) return position ?? 0;
      if (position !== null && !isTold) this.#warn(GAP);
      // The store is of another journal, or of one whose history is gone: from the present on. The present may have what is
      // not durable yet: it counts once the journal has it, which is seen as it is looked at again.
      await this.#startFromPresent();
    }
  }

  async #startFromPresent(): Promise<void> {
    await this.#events.call('startFrom', projectionStateOf(this.#host.engine.state));
    await this.#pause(PAUSE_MIN_MS);
  }

  /** Whether the journal goes on from what the store knows. */
  async #isInStep(position: number, atMs: number | null): Promise<boolean> {
    const last = position > 0 ? await this.#read(position - 1, 1) : undefined;
    if (last) return last[0]?.fact.at === atMs;
    // What was removed cannot be compared, but was there.
    return (await this.#read(position, 1)) !== undefined;
  }

  /** Resolves when history is gone that it would need. */
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
        this.#isTold = false;
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

  /** The event loop, since it was last asked. */
  #isBusy(): boolean {
    const before = this.#usage;
    this.#usage = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(this.#usage, before).utilization > BUSY;
  }

  /** Undefined if the history is gone. */
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
