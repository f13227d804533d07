/** Events on their way to a Prefect server: in order, in the background, sent again until it has them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from '@slotkeeper/protocol/prefect';
import { EventSocket, EventsRefusedError } from './event-socket.ts';
import type { LimitEvent } from './limit-event.ts';

const TRIES_MAX = 6;
/** The first tries follow at once: a connection that was ended because it was idle needs no wait. */
const QUICK_TRIES = 3;
const BACKOFF_MS = 1_000;
/** Above this number the oldest events are dropped: slots matter more than their events. */
const UNDELIVERED_MAX = 10_000;

export class EventStream {
  readonly #apiUrl: string;
  readonly #credentials: Credentials;
  #undelivered: LimitEvent[] = [];
  #delivering: Promise<void> | undefined;
  #socket: EventSocket | undefined;
  #isRefused = false;

  constructor(apiUrl: string, credentials: Credentials) {
    this.#apiUrl = apiUrl;
    this.#credentials = credentials;
  }

  /** Puts the event on its way. It keeps the process alive until it has arrived or is given up. */
  send(event: LimitEvent): LimitEvent {
    if (this.#isRefused) return event;
    this.#undelivered.push(event);
    if (this.#undelivered.length > UNDELIVERED_MAX) this.#undelivered.shift();
    this.#delivering ??= this.#deliver();
    return event;
  }

  /** Waits until everything has arrived or is given up, then closes the connection. */
  async close(): Promise<void> {
    await this.#delivering;
    await this.#socket?.close();
    this.#socket = undefined;
  }

  async #deliver(): Promise<void> {
    for (let tries = 1; this.#undelivered.length > 0; tries += 1) {
      try {
        await this.#deliverOnce();
        tries = 0;
      } catch (error) {
        this.#socket?.terminate();
        this.#socket = undefined;
        this.#isRefused = error instanceof EventsRefusedError;
        if (this.#isRefused || tries === TRIES_MAX) this.#giveUp(error);
        else if (tries >= QUICK_TRIES) await delay(BACKOFF_MS);
      }
    }
    this.#socket?.keepAlive(false);
    this.#delivering = undefined;
  }

  async #deliverOnce(): Promise<void> {
    if (!this.#socket?.isOpen) this.#socket = await EventSocket.open(this.#apiUrl, this.#credentials);
    this.#socket.keepAlive(true);
    const batch = [...this.#undelivered];
    await this.#socket.deliver(batch);
    const delivered = new Set(batch);
    this.#undelivered = this.#undelivered.filter((event) => !delivered.has(event));
  }

  #giveUp(error: unknown): void {
    const count = this.#undelivered.length;
    this.#undelivered = [];
    const rest = this.#isRefused ? ' No further ones are sent; slots are taken and given back all the same.' : '';
    console.warn(
      `Events about concurrency slots (${count} of them) did not reach ${this.#apiUrl}/events/in.${rest}`,
      error,
    );
  }
}
