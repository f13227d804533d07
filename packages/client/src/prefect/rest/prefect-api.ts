/** Changes asked of a Prefect API, with the credentials, the CSRF token and the retries of Prefect's own client. */
import { setTimeout as delay } from 'node:timers/promises';
import { NoAnswerError, noAnswer } from './no-answer.ts';

const API_VERSION = '0.8.4';
/** A request that takes longer has no answer, as in Prefect's own client. */
const ANSWER_MS_MAX = 60_000;
const RETRIES_MAX = 5;
const FIRST_BACKOFF_MS = 500;
/** The server has not done it and says to come back. */
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);
/** Whoever stands between has lost the answer. */
const LOST_STATUSES: ReadonlySet<number> = new Set([408, 502]);

export interface Credentials {
  /** `PREFECT_API_AUTH_STRING`: `user:password`, or any string. It goes before the key. */
  readonly authString: string | undefined;
  /** `PREFECT_API_KEY`. */
  readonly apiKey: string | undefined;
}

/** A POST. */
export interface Change {
  readonly path: string;
  readonly body: unknown;
}

export interface ChangeOptions {
  /** Cuts the request off. */
  readonly signal?: AbortSignal | undefined;
  /** Aborts when nobody waits any more: a request under way goes on to its end, but is not tried again. */
  readonly unwanted?: AbortSignal | undefined;
  /** What is to be carried out, if anything, before the next try where the last one may have been done; asked for as it is due. */
  readonly undo?: (() => Change | undefined) | undefined;
}

export interface Reply {
  readonly status: number;
  /** What the server calls that status. */
  readonly statusText: string;
  readonly headers: Headers;
  readonly text: string;
}

/** The server said no. */
export class PrefectApiError extends Error {
  override readonly name = 'PrefectApiError';
  readonly status: number;
  readonly reply: Reply;

  constructor(change: Change, reply: Reply) {
    super(`POST ${change.path} was answered with ${reply.status}: ${detailOf(reply) ?? reply.text}`);
    this.status = reply.status;
    this.reply = reply;
  }
}

export class PrefectApi {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #csrfClient = crypto.randomUUID();
  #csrf: { readonly token: string; readonly expiresAtMs: number } | 'off' | undefined;
  #hasAnswered = false;

  /** @param url of the API, such as `http://127.0.0.1:4200/api` */
  constructor(url: string, credentials: Credentials) {
    this.#url = url;
    const authorization = authorizationOf(credentials);
    this.#headers = {
      'X-PREFECT-API-VERSION': API_VERSION,
      'Content-Type': 'application/json',
      ...(authorization !== undefined && { Authorization: authorization }),
    };
  }

  /**
   * Asks for a change, and up to five times again where there is no answer or one that says to come back.
   *
   * @returns the server's answer, whatever its status
   * @throws {NoAnswerError} if there is none
   * @throws the signal's reason once that aborts
   */
  async change(change: Change, options: ChangeOptions = {}): Promise<Reply> {
    let undecided = false;
    for (let retry = 0; ; retry += 1) {
      const outcome = await this.#try(change, options, undecided);
      undecided = outcome instanceof NoAnswerError && outcome.undecided;
      if (!this.#isWorthRetrying(outcome) || retry === RETRIES_MAX || !(await isWantedAfter(outcome, retry, options))) {
        if (outcome instanceof NoAnswerError) throw outcome;
        return outcome;
      }
    }
  }

  async #try(change: Change, { signal, undo }: ChangeOptions, undecided: boolean): Promise<Reply | NoAnswerError> {
    try {
      const first = undecided ? undo?.() : undefined;
      if (first !== undefined) {
        const undone = await this.#post(first, signal);
        if (undone.status !== 200) return noAnswer(this.#url, `${first.path} was answered with ${undone.status}`, true);
      }
      const reply = await this.#post(change, signal);
      this.#hasAnswered = true;
      return LOST_STATUSES.has(reply.status) ? noAnswer(this.#url, `a gateway said ${reply.status}`, true) : reply;
    } catch (error) {
      signal?.throwIfAborted();
      return noAnswer(this.#url, error, undecided);
    }
  }

  /** A server that was never there is most likely not the one that is meant. */
  #isWorthRetrying(outcome: Reply | NoAnswerError): boolean {
    if (outcome instanceof NoAnswerError) return outcome.undecided || this.#hasAnswered;
    return BUSY_STATUSES.has(outcome.status);
  }

  async #post(change: Change, signal: AbortSignal | undefined, isRepeat = false): Promise<Reply> {
    const reply = await this.#fetch(change.path, signal, {
      method: 'POST',
      headers: { ...this.#headers, ...(await this.#csrfHeaders(signal)) },
      body: JSON.stringify(change.body),
    });
    if (isRepeat || reply.status !== 403 || !reply.text.includes('Invalid CSRF token')) return reply;
    this.#csrf = undefined;
    return this.#post(change, signal, true);
  }

  async #csrfHeaders(signal: AbortSignal | undefined): Promise<Record<string, string>> {
    if (this.#csrf === undefined || (this.#csrf !== 'off' && this.#csrf.expiresAtMs < Date.now())) {
      const path = `/csrf-token?client=${this.#csrfClient}`;
      const reply = await this.#fetch(path, signal, { method: 'GET', headers: this.#headers });
      this.#csrf = csrfOf(reply);
    }
    if (this.#csrf === 'off' || this.#csrf === undefined) return {};
    return { 'Prefect-Csrf-Token': this.#csrf.token, 'Prefect-Csrf-Client': this.#csrfClient };
  }

  async #fetch(path: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Reply> {
    const answer = await fetch(this.#url + path, {
      ...init,
      signal: anyOf(AbortSignal.timeout(ANSWER_MS_MAX), signal),
    });
    const { status, statusText, headers } = answer;
    return { status, statusText, headers, text: await answer.text() };
  }
}

/** Where Prefect's own client looks for them. */
export function credentialsOfEnvironment(): Credentials {
  return { authString: process.env.PREFECT_API_AUTH_STRING, apiKey: process.env.PREFECT_API_KEY };
}

/** What goes into the header of that name, if anything. */
export function authorizationOf({ authString, apiKey }: Credentials): string | undefined {
  if (authString) return `Basic ${Buffer.from(authString).toString('base64')}`;
  return apiKey ? `Bearer ${apiKey}` : undefined;
}

/** The reason a server gives for its answer; undefined if there is none. */
export function detailOf(reply: Reply): string | undefined {
  const body = jsonOf(reply);
  if (typeof body !== 'object' || body === null) return undefined;
  const detail = 'detail' in body ? body.detail : 'exception_detail' in body ? body.exception_detail : undefined;
  return detail === undefined || typeof detail === 'string' ? detail : JSON.stringify(detail);
}

/** The body as JSON; undefined if it is none. */
export function jsonOf(reply: Reply): unknown {
  try {
    return JSON.parse(reply.text);
  } catch {
    return undefined;
  }
}

/** What `Retry-After` says, in seconds from now; undefined if it is not there or says nothing that can be understood. */
export function retryAfterSeconds({ headers }: Reply): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  const number = Number(value);
  const seconds = Number.isNaN(number) ? (Date.parse(value) - Date.now()) / 1000 : number;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** Undefined where the server gave no answer about tokens: the change itself will say what is wrong. */
function csrfOf(reply: Reply): { token: string; expiresAtMs: number } | 'off' | undefined {
  if (reply.status === 404 || (reply.status === 422 && reply.text.includes('CSRF protection is disabled.')))
    return 'off';
  const { token, expiration } = (jsonOf(reply) ?? {}) as { token?: unknown; expiration?: unknown };
  if (reply.status !== 200 || typeof token !== 'string') return undefined;
  const expiresAtMs = Date.parse(String(expiration));
  return { token, expiresAtMs: Number.isNaN(expiresAtMs) ? Number.POSITIVE_INFINITY : expiresAtMs };
}

/** Waits until the next try; false if it is not wanted any more. */
async function isWantedAfter(
  outcome: Reply | NoAnswerError,
  retry: number,
  { signal, unwanted }: ChangeOptions,
): Promise<boolean> {
  const askedSeconds = outcome instanceof NoAnswerError ? undefined : retryAfterSeconds(outcome);
  const waitMs = askedSeconds === undefined ? FIRST_BACKOFF_MS * 2 ** retry : askedSeconds * 1000;
  const ended = AbortSignal.any([signal, unwanted].filter((each) => each !== undefined));
  await delay(waitMs, undefined, { signal: ended }).catch(() => undefined);
  signal?.throwIfAborted();
  return !ended.aborted;
}

function anyOf(timeout: AbortSignal, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
}
