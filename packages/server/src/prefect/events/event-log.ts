/**
 * The store in its own thread, since its queries may take their time, and word of what is new in it. A thread that ends by
 * a fault is started again with the next call.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MisfitError } from './projection.ts';
import type { AnswerMessage, CallMessage, StoreCalls, StoreThreadData } from './store-thread.ts';

const CLOSE_MS = 1_000;

type Result<K extends keyof StoreCalls> = ReturnType<StoreCalls[K]>;

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** Events can be neither kept nor told for now: the disk is full, or the file cannot be opened. */
export class EventsUnavailableError extends Error {
  override readonly name = 'EventsUnavailableError';
}

export class EventLog {
  readonly #file: string | null;
  #worker: Worker | undefined;
  #pending = new Map<number, Pending>();
  #calls = 0;
  #seq = 0;
  #waiting = new Set<() => void>();
  #isClosed = false;

  /** @param file null: in memory, gone with the thread */
  constructor(file: string | null) {
    this.#file = file;
  }

  /** Rejects with an `EventsUnavailableError`; `fold` also with a `MisfitError`. */
  async call<K extends keyof StoreCalls>(name: K, ...args: Parameters<StoreCalls[K]>): Promise<Result<K>> {
    if (this.#isClosed) throw new EventsUnavailableError('The events are closed.');
    const result = await this.#ask(name, args);
    if (name === 'fold' || name === 'add') this.#stored(result as number);
    return result;
  }

  /** Resolves once there are events after number `seq`, or with the end of the log or of the signal. */
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
    // A query that is under way may take longer than anybody wants to wait.
    await Promise.race([this.#ask('close', []).catch(() => {}), delay(CLOSE_MS, undefined, { ref: false })]);
    await worker.terminate();
  }

  #ask<K extends keyof StoreCalls>(name: K, args: readonly unknown[]): Promise<Result<K>> {
    this.#worker ??= this.#start();
    this.#calls += 1;
    const message: CallMessage = { id: this.#calls, name, args };
    const answer = new Promise<Result<K>>((resolve, reject) => {
      this.#pending.set(message.id, { resolve, reject });
    });
    this.#worker.postMessage(message);
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
    if ('error' in message) pending?.reject(errorOf(message.error));
    else pending?.resolve(message.value as never);
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

/** Beside this file; built, beside the bundle. */
function threadFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './store-thread.ts' : './events-thread.js', import.meta.url);
}
