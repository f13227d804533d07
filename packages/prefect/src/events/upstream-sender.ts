/**
 * Sends the events that were derived from the journal to the Prefect server behind this one, so that its pages show them. It
 * sends them in order, and repeats each until it has arrived. One that arrives twice has the same id, so it is one event there.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Credentials, NoAnswerError, PrefectApi, statusLine } from '@slotkeeper/protocol/prefect';
import type { UpstreamAddress } from '../upstream/address.ts';
import type { EventLog } from './store/event-log.ts';

const EVENTS_AT_ONCE = 200;
const LOOKED_AT_AT_ONCE = 10_000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 60_000;
/** Statuses that the events themselves may have caused. Others are about the server, the network, or the credentials. */
const DUE_TO_EVENTS = [400, 413, 422, 500];
/** An event that was refused so often when sent alone is left out, so that the others arrive. */
const REFUSALS_MAX = 5;

export interface UpstreamSenderOptions {
  readonly upstream: UpstreamAddress;
  /** The credentials for the upstream, if it asks for any. */
  readonly credentials: Credentials;
  readonly events: EventLog;
  readonly warn: (message: string) => void;
}

/** The upstream refused the events. */
class RefusedError extends Error {}

export class UpstreamSender {
  readonly #api: PrefectApi;
  readonly #events: EventLog;
  readonly #warn: (message: string) => void;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #pauseMs = PAUSE_MIN_MS;
  #atOnce = EVENTS_AT_ONCE;
  /** How often the next event was refused when sent alone. */
  #refusals = 0;

  constructor({ upstream, credentials, events, warn }: UpstreamSenderOptions) {
    this.#api = new PrefectApi(`${upstream.origin}${upstream.prefix}/api`, credentials);
    this.#events = events;
    this.#warn = warn;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#sendNext();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (this.#pauseMs === PAUSE_MIN_MS) {
          this.#warn(`Events about slots wait for ${this.#api.url}: ${reasonOf(error)}.`);
        }
        await delay(this.#pauseMs, undefined, { ref: false, signal: this.#stop.signal }).catch(() => {});
        this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MAX_MS);
      }
    }
  }

  async #sendNext(): Promise<void> {
    const { sent, seq: last } = await this.#events.call('head');
    // The upstream gets no events from before it was configured.
    if (sent === null) return this.#events.call('setSent', last);
    const { events, seq } = await this.#events.call('derivedAfter', sent, this.#atOnce, LOOKED_AT_AT_ONCE);
    if (events.length > 0 && !(await this.#deliver(events))) return;
    if (seq > sent) await this.#events.call('setSent', seq);
    else await this.#events.newer(sent, this.#stop.signal);
  }

  /** Resolves to whether to go on with the next events: these have arrived, or are left out. */
  async #deliver(events: readonly string[]): Promise<boolean> {
    try {
      await this.#post(events);
      this.#atOnce = Math.min(2 * this.#atOnce, EVENTS_AT_ONCE);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (events.length > 1) {
        // One of them may be the cause, or their number.
        this.#atOnce = Math.ceil(events.length / 2);
        return false;
      }
      this.#refusals += 1;
      if (this.#refusals < REFUSALS_MAX) throw error;
      this.#warn(`An event is left out, since ${this.#api.url} does not take it: ${error.message}: ${events[0]}`);
    }
    this.#refusals = 0;
    return true;
  }

  async #post(events: readonly string[]): Promise<void> {
    const answer = await this.#api.post('/events', `[${events.join()}]`, this.#stop.signal);
    if (answer.status >= 200 && answer.status < 300) {
      this.#pauseMs = PAUSE_MIN_MS;
      return;
    }
    const reason = `it answers ${statusLine(answer)}`;
    throw DUE_TO_EVENTS.includes(answer.status) ? new RefusedError(reason) : new Error(reason);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof NoAnswerError ? error.reason : (error as Error).message;
}
