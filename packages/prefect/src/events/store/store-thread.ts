/** The thread of the store: it answers calls one after the other. `EventLog` starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EventTable } from './event-table.ts';
import { isUnreadable, removeEventsFile } from './events-file.ts';
import { EventStore } from './store.ts';

/** The calls that other threads may make. */
export type StoreCalls = Pick<EventStore, 'head' | 'startFrom' | 'fold' | 'add' | 'setSent' | 'close'> &
  Pick<EventTable, 'page' | 'after' | 'derivedAfter'>;

export interface CallMessage {
  readonly id: number;
  readonly name: keyof StoreCalls;
  readonly args: readonly unknown[];
}

export type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

export interface StoreThreadData {
  readonly eventsFile: string | null;
}

const { eventsFile } = workerData as StoreThreadData;
let store = new EventStore(eventsFile);

function call({ name, args }: CallMessage): unknown {
  const owner = name in store ? store : store.events;
  const method = (owner as unknown as StoreCalls)[name] as (...args: unknown[]) => unknown;
  return method.apply(owner, [...args]);
}

function makeAnew(): void {
  store.close();
  removeEventsFile(eventsFile);
  store = new EventStore(eventsFile);
}

parentPort!.on('message', (message: CallMessage) => {
  const answer = (answer: AnswerMessage): void => parentPort!.postMessage(answer);
  const { id } = message;
  try {
    answer({ id, value: call(message) });
  } catch (error) {
    const { name, message } = error as Error;
    answer({ id, error: { name, message } });
    if (isUnreadable(error)) makeAnew();
  }
  if (message.name === 'close') parentPort!.close();
});
