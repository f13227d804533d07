/** Calls a thread of the store. A thread that ended by a fault is started again by the next call. */
import { Worker } from 'node:worker_threads';
import { MisfitError } from '../projection/projection.ts';
import type { AnswerMessage, CallMessage, StoreCalls, StoreResult, StoreThreadData } from './store-thread.ts';

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

export class StoreWorker {
  readonly #data: StoreThreadData;
  readonly #foundUnreadable: () => void;
  #worker: Worker | undefined;
  #pending = new Map<number, Pending>();
  #calls = 0;

  /** @param foundUnreadable called when a call has failed because the file cannot be read */
  constructor(data: StoreThreadData, foundUnreadable: () => void) {
    this.#data = data;
    this.#foundUnreadable = foundUnreadable;
  }

  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  call<K extends keyof StoreCalls>(name: K, args: readonly unknown[]): Promise<StoreResult<K>> {
    this.#worker ??= this.#start();
    this.#calls += 1;
    const message: CallMessage = { id: this.#calls, name, args };
    const answer = new Promise<StoreResult<K>>((resolve, reject) => {
      this.#pending.set(message.id, { resolve, reject });
    });
    this.#worker.postMessage(message);
    return answer;
  }

  /** Ends the thread, and rejects the calls that are under way. */
  async end(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(threadFile(), { workerData: this.#data });
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
    if (!('error' in message)) {
      pending?.resolve(message.value as never);
      return;
    }
    if (message.isUnreadable) this.#foundUnreadable();
    pending?.reject(errorOf(message.error));
  }
}

function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  if (name === 'MisfitError') return new MisfitError(message);
  return name === 'TooManyEventsError' ? new TooManyEventsError(message) : new EventsUnavailableError(message);
}

/** The thread's file is beside this one, or beside the bundle if this is built. */
function threadFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './store-thread.ts' : './events-thread.js', import.meta.url);
}
