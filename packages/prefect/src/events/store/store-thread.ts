/**
 * A thread over the store: calls come in, results go out. Over one file there are two: the keeper writes, and is asked for
 * nothing that takes long; the reader answers queries. So no query stands in the way of what is kept. Queries take turns, so
 * that none stands in the way of another, and one that has had its time is given up.
 */
import { setImmediate } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { EventTable } from './event-table.ts';
import { isUnreadable, openToRead, removeEventsFile } from './events-file.ts';
import { EventStore } from './store.ts';

/** The calls that other threads may make. */
export type StoreCalls = Pick<EventStore, 'head' | 'startFrom' | 'fold' | 'add' | 'setSent' | 'close'> &
  Pick<EventTable, 'page' | 'after' | 'derivedAfter'> & {
    /** The file cannot be read: it is removed, and an empty one takes its place. */
    makeAnew(): void;
  };

type Returned<K extends keyof StoreCalls> = ReturnType<StoreCalls[K]>;
export type StoreResult<K extends keyof StoreCalls> =
  Returned<K> extends Generator<void, infer Result> ? Result : Returned<K>;

export interface CallMessage {
  readonly id: number;
  readonly name: keyof StoreCalls;
  readonly args: readonly unknown[];
}

export type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly error: { readonly name: string; readonly message: string };
      readonly isUnreadable: boolean;
    };

export interface StoreThreadData {
  readonly file: string | null;
  readonly bytesMax: number;
  /** The reader of a file that a keeper has opened. */
  readonly onlyReads: boolean;
  /** So long a query may take of the thread's time. */
  readonly queryMs: number;
}

const { file, bytesMax, onlyReads, queryMs } = workerData as StoreThreadData;

interface Opened {
  readonly store: EventStore | undefined;
  readonly events: EventTable;
}

function open(): Opened {
  if (onlyReads) return { store: undefined, events: new EventTable(openToRead(file as string), bytesMax) };
  const store = new EventStore(file, { bytesMax });
  return { store, events: store.events };
}

let opened = open();

function makeAnew(): void {
  opened.store?.close();
  removeEventsFile(file);
  opened = open();
}

async function call({ name, args }: CallMessage): Promise<unknown> {
  if (name === 'makeAnew') return makeAnew();
  const { store, events } = opened;
  const owner = (store && name in store ? store : events) as unknown as StoreCalls;
  const method = owner[name] as (...args: unknown[]) => unknown;
  const result = method.apply(owner, [...args]);
  return name === 'page' ? inTurns(result as ReturnType<EventTable['page']>) : result;
}

async function inTurns<T>(query: Generator<void, T>): Promise<T> {
  for (let takenMs = 0; ; ) {
    const startMs = performance.now();
    const { done, value } = query.next();
    if (done) return value;
    takenMs += performance.now() - startMs;
    if (takenMs > queryMs) {
      query.return(undefined as never);
      throw new TooManyEvents(`It took longer than ${queryMs / 1000} s.`);
    }
    await setImmediate();
  }
}

class TooManyEvents extends Error {
  override readonly name = 'TooManyEventsError';
}

parentPort!.on('message', async (message: CallMessage) => {
  const answer = (answer: AnswerMessage): void => parentPort!.postMessage(answer);
  const { id } = message;
  try {
    answer({ id, value: await call(message) });
  } catch (error) {
    const { name, message } = error as Error;
    answer({ id, error: { name, message }, isUnreadable: isUnreadable(error) });
  }
  if (message.name === 'close') parentPort!.close();
});
