/** The store, in threads of its own since its queries may take their time, and word of what is new in it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { StoreCalls, StoreResult } from './store-thread.ts';
import { EventsUnavailableError, StoreWorker } from './store-worker.ts';

const CLOSE_MS = 1_000;
/** What a query may take of its thread's time. */
const QUERY_MS = 30_000;
export const BYTES_MAX = 2 ** 30;

const QUERIES: ReadonlySet<keyof StoreCalls> = new Set(['page', 'after']);

export class EventLog {
  readonly #keeper: StoreWorker;
  /** The same thread, where the store is in memory. */
  readonly #reader: StoreWorker;
  #seq = 0;
  #waiting = new Set<() => void>();
  #isClosed = false;

  /**
   * @param file null: in memory, gone with the thread
   * @param queryMs how long one query may take
   * @param bytesMax of the file, about
   */
  constructor(
    file: string | null,
    { queryMs = QUERY_MS, bytesMax = BYTES_MAX }: { queryMs?: number; bytesMax?: number | undefined } = {},
  ) {
    const data = { file, bytesMax, queryMs };
    this.#keeper = new StoreWorker({ ...data, onlyReads: false }, () => this.#makeAnew());
    this.#reader = file === null ? this.#keeper : new StoreWorker({ ...data, onlyReads: true }, () => this.#makeAnew());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Rejects with an `EventsUnavailableError`, if it takes too long with a `TooManyEventsError`; `fold` also with a `MisfitError`. */
  async call<K extends keyof StoreCalls>(name: K, ...args: Parameters<StoreCalls[K]>): Promise<StoreResult<K>> {
    if (this.#isClosed) throw closed();
    const isQuery = QUERIES.has(name);
    // The keeper makes the file and brings it up to this version; the reader only opens it.
    if (isQuery && !this.#reader.isRunning) await this.#keeper.call('head', []);
    if (this.#isClosed) throw closed();
    const result = await (isQuery ? this.#reader : this.#keeper).call(name, args);
    if (name === 'fold' || name === 'add') this.#stored(result as number);
    return result;
  }

  /** Resolves once there are events after number `seq`, the log is closed or the signal aborts. */
  async newer(seq: number, signal: AbortSignal): Promise<void> {
    while (this.#seq <= seq && !signal.aborted && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake);
      });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wakeAll();
    // What is being kept may take longer than anybody wants to wait.
    const late = delay(CLOSE_MS, undefined, { ref: false });
    if (this.#keeper.isRunning) await Promise.race([this.#keeper.call('close', []).catch(() => {}), late]);
    await Promise.all([this.#reader.end(), this.#keeper.end()]);
  }

  /** Who has the old file open would go on with that. */
  #makeAnew(): void {
    if (this.#isClosed) return;
    this.#keeper.call('makeAnew', []).catch(() => {});
    if (this.#reader !== this.#keeper) void this.#reader.end();
  }

  #stored(seq: number): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function closed(): EventsUnavailableError {
  return new EventsUnavailableError('The events are closed.');
}
