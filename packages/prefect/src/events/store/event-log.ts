/**
 * Calls the store, which runs in a thread of its own since its queries may take long, and wakes those who wait for new
 * events. A thread that ended by a fault is started again by the next call.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MisfitError } from '../projection/projection.ts';
import type { AnswerMessage, CallMessage, StoreCalls, StoreThreadData } from './store-thread.ts';

const CLOSE_MS = 1_000;
/** A call that takes longer is given up, and the thread ended: until then no other call is answered. */
const CALL_MS = 30_000;

type Result<K extends keyof StoreCalls> = ReturnType<StoreCalls[K]>;

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** For now events can be neither stored nor read: the disk is full, or the file cannot be opened. */
export class EventsUnavailableError extends Error {
  override readonly name: string = 'EventsUnavailableError';
}

/** The query had to look at so many events that it took too long. */
export class TooManyEventsError extends EventsUnavailableError {
  override readonly name = 'TooManyEventsError';
}

export class EventLog {
  readonly #file: string | null;
  readonly #callMs: number;
  #worker: Worker | undefined;
  #pending = new Map<number, Pending>();
  #calls = 0;
  #seq = 0;
  #waiting = new Set<() => void>();
  #isClosed = false;
  #late: NodeJS.Timeout | undefined;

  /**
   * @param file null: in memory, and lost with the thread
   * @param callMs how long one call may take
   */
  constructor(file: string | null, { callMs = CALL_MS } = {}) {
    this.#file = file;
    this.#callMs = callMs;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Rejects with an `EventsUnavailableError`, or a `TooManyEventsError` if it takes too long. `fold` may also reject with a
   * `MisfitError`.
   */
  async call<K extends keyof StoreCalls>(name: K, ...args: Parameters<StoreCalls[K]>): Promise<Result<K>> {
    if (this.#isClosed) throw new EventsUnavailableError('The events are closed.');
    const result = await this.#ask(name, args);
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
    const worker = this.#worker;
    if (!worker) return;
    worker.ref();
    // A query that is under way may take too long to wait for.
    await Promise.race([this.#ask('close', []).catch(() => {}), delay(CLOSE_MS, undefined, { ref: false })]);
    await worker.terminate();
    clearTimeout(this.#late);
  }

  #ask<K extends keyof StoreCalls>(name: K, args: readonly unknown[]): Promise<Result<K>> {
    this.#worker ??= this.#start();
    this.#calls += 1;
    const message: CallMessage = { id: this.#calls, name, args };
    const answer = new Promise<Result<K>>((resolve, reject) => {
      this.#pending.set(message.id, { resolve, reject });
    });
    this.#worker.postMessage(message);
    if (this.#pending.size === 1) this.#watch();
    return answer;
  }

  #start(): Worker {
    const data: StoreThreadData = { eventsFile: this.#file };
    const worker = new Worker(threadFile(), { workerData: data });
    worker.unref();
    let reason = 'it ended';
    worker.on('message', (message: AnswerMessage) => this.#answered(message));
    worker.on('error', (error) => {
      reason = error.message;
    });
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      const pending = this.#pending;
      this.#pending = new Map();
      for (const { reject } of pending.values())
        reject(new EventsUnavailableError(`The thread of the events: ${reason}`));
    });
    return worker;
  }

  #answered(message: AnswerMessage): void {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    this.#watch();
    if ('error' in message) pending?.reject(errorOf(message.error));
    else pending?.resolve(message.value as never);
  }

  /** Sets the timer for the oldest call, which is the one that the thread is at. */
  #watch(): void {
    clearTimeout(this.#late);
    if (this.#pending.size > 0) this.#late = setTimeout(() => this.#giveUp(), this.#callMs).unref();
  }

  #giveUp(): void {
    const [[id, call] = []] = this.#pending;
    if (id !== undefined) this.#pending.delete(id);
    call?.reject(new TooManyEventsError(`It took longer than ${this.#callMs / 1000} s.`));
    void this.#worker?.terminate();
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

function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  return name === 'MisfitError' ? new MisfitError(message) : new EventsUnavailableError(message);
}

/** The thread's file is beside this one, or beside the bundle if this is built. */
function threadFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './store-thread.ts' : './events-thread.js', import.meta.url);
}
