/**
 * What was derived from the journal, on its way to the Prefect server behind this one, whose pages show it. In order; again
 * until it has arrived: an event that comes twice is one there, since its id is the same.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { UpstreamAddress } from '../upstream/address.ts';
import type { EventLog } from './store/event-log.ts';

const EVENTS_AT_ONCE = 200;
const LOOKED_AT_AT_ONCE = 10_000;
const TIMEOUT_MS = 30_000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 60_000;
/** Answers that may be due to what was sent. Others tell of the server, of the way there, or of who asks. */
const DUE_TO_EVENTS = [400, 413, 422, 500];
/** An event that is refused so often, on its own, is left out, so that the others arrive. */
const REFUSALS_MAX = 5;

type Headers = Readonly<Record<string, string>>;

export interface UpstreamSenderOptions {
  readonly upstream: UpstreamAddress;
  /** What it asks for, if it asks. */
  readonly apiKey: string | null;
  readonly authString: string | null;
  readonly events: EventLog;
  readonly warn: (message: string) => void;
}

/** The upstream does not take what was sent. */
class RefusedError extends Error {}

export class UpstreamSender {
  /** Of its API. */
  readonly #url: string;
  readonly #credentials: Headers;
  /** What shows that we are no page in somebody's browser; undefined: it is to be asked for. */
  #csrf: Headers | undefined;
  readonly #events: EventLog;
  readonly #warn: (message: string) => void;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #pauseMs = PAUSE_MIN_MS;
  #atOnce = EVENTS_AT_ONCE;
  /** Of the event that is next, on its own. */
  #refusals = 0;

  constructor({ upstream, apiKey, authString, events, warn }: UpstreamSenderOptions) {
    this.#url = `${upstream.origin}${upstream.prefix}/api`;
    this.#credentials = credentials(apiKey, authString);
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
          this.#warn(`Events about slots wait for ${this.#url}: ${reasonOf(error)}.`);
        }
        await delay(this.#pauseMs, undefined, { ref: false, signal: this.#stop.signal }).catch(() => {});
        this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MAX_MS);
      }
    }
  }

  async #sendNext(): Promise<void> {
    const { sent, seq: last } = await this.#events.call('head');
    // What happened before there was an upstream is not its concern.
    if (sent === null) return this.#events.call('setSent', last);
    const { events, seq } = await this.#events.call('derivedAfter', sent, this.#atOnce, LOOKED_AT_AT_ONCE);
    if (events.length > 0 && !(await this.#deliver(events))) return;
    if (seq > sent) await this.#events.call('setSent', seq);
    else await this.#events.newer(sent, this.#stop.signal);
  }

  /** Resolves to whether they are done with: they have arrived, or never will. */
  async #deliver(events: readonly string[]): Promise<boolean> {
    try {
      await this.#post(events);
      this.#atOnce = Math.min(2 * this.#atOnce, EVENTS_AT_ONCE);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (events.length > 1) {
        // One of them may be the reason, or that they are so many.
        this.#atOnce = Math.ceil(events.length / 2);
        return false;
      }
      this.#refusals += 1;
      if (this.#refusals < REFUSALS_MAX) throw error;
      this.#warn(`An event is left out, since ${this.#url} does not take it: ${error.message}: ${events[0]}`);
    }
    this.#refusals = 0;
    return true;
  }

  async #post(events: readonly string[]): Promise<void> {
    this.#csrf ??= await this.#askForCsrf();
    const answer = await this.#fetch('/events', {
      method: 'POST',
      headers: { ...this.#csrf, 'content-type': 'application/json' },
      body: `[${events.join()}]`,
    });
    const text = await answer.text();
    if (answer.ok) {
      this.#pauseMs = PAUSE_MIN_MS;
      return;
    }
    // A token may be too old.
    if (answer.status === 403) this.#csrf = undefined;
    const reason = `it answers ${answer.status} ${text.slice(0, 200)}`;
    throw DUE_TO_EVENTS.includes(answer.status) ? new RefusedError(reason) : new Error(reason);
  }

  /** Resolves to nothing where the upstream does not ask for a token, which is the rule. */
  async #askForCsrf(): Promise<Headers> {
    const client = randomUUID();
    const answer = await this.#fetch(`/csrf-token?client=${client}`, {});
    const text = await answer.text();
    if (answer.status === 404 || answer.status === 422) return {};
    if (!answer.ok) throw new Error(`it answers ${answer.status} ${text.slice(0, 200)}`);
    const { token } = JSON.parse(text) as { token: string };
    return { 'prefect-csrf-token': token, 'prefect-csrf-client': client };
  }

  #fetch(path: string, { headers, ...init }: RequestInit & { headers?: Headers }): Promise<Response> {
    return fetch(`${this.#url}${path}`, {
      ...init,
      headers: { ...this.#credentials, ...headers },
      // What is sent again to another place may be sent as a GET, which arrives as nothing.
      redirect: 'manual',
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  }
}

/** As Prefect's clients give them. */
function credentials(apiKey: string | null, authString: string | null): Headers {
  if (authString !== null) return { authorization: `Basic ${Buffer.from(authString).toString('base64')}` };
  return apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
