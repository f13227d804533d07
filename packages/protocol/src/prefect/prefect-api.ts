/** POST requests to a Prefect server, with the credentials, the CSRF token and the retries of Prefect's own client. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Question } from '../proxy/index.ts';
import { authorizationOf, type Credentials } from './credentials.ts';
import { CsrfToken } from './csrf-token.ts';
import { NoAnswerError, UnreadableAnswerError } from './failures.ts';
import { type Reply, readReply, retryAfterSeconds } from './reply.ts';

/** The version of Prefect's API that is spoken here. */
export const PREFECT_API_VERSION = '0.8.4';
/** Prefect's own client waits as long for an answer. */
const ANSWER_MS_MAX = 60_000;
const RETRIES_MAX = 5;
const FIRST_BACKOFF_MS = 500;
/** The longest delay that a timer of Node takes, 25 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** The server has not carried the request out, and says to come back. */
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);
/** A proxy has lost the server's answer. */
const LOST_STATUSES: ReadonlySet<number> = new Set([408, 502]);
/** Redirects after which a POST is still a POST. */
const SAME_METHOD_STATUSES: ReadonlySet<number> = new Set([307, 308]);

/** A POST, and how its answer is read. */
export interface Change<T = unknown> {
  readonly path: string;
  /** What becomes JSON. */
  readonly body: unknown;
  /** Reads the JSON of a 200; undefined if a Prefect server would not say that. Left out: a 200 has nothing to say. */
  readonly read?: (json: unknown) => T | undefined;
}

export interface Answer<T> extends Reply {
  /** What a 200 says; undefined of any other status. */
  readonly value: T | undefined;
}

export interface ChangeOptions {
  /** Cuts the request off. */
  readonly signal?: AbortSignal | undefined;
  /** Aborts when the answer is not wanted any more: a request under way goes on to its end, but is not tried again. */
  readonly unwanted?: AbortSignal | undefined;
  /**
   * Where the last try may have been carried out, its undoing goes first. Asked for when the next try is due; undefined:
   * there is nothing to undo.
   */
  readonly undo?: (() => Change | undefined) | undefined;
}

type Ask = (url: string, question: Question) => Promise<Response>;

export class PrefectApi {
  readonly url: string;
  readonly #advice: string | undefined;
  readonly #ask: Ask;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #csrf = new CsrfToken();
  #hasAnswered = false;

  /**
   * @param url of the API, such as `http://127.0.0.1:4200/api`
   * @param advice what a `NoAnswerError` tells the user of the program to do
   * @param ask how it is reached: directly, or through the proxies that the environment names (`ask` of `../proxy`)
   */
  constructor(url: string, credentials: Credentials, advice?: string, ask: Ask = fetch) {
    this.url = url;
    this.#advice = advice;
    this.#ask = ask;
    const authorization = authorizationOf(credentials);
    this.#headers = {
      'X-PREFECT-API-VERSION': PREFECT_API_VERSION,
      'Content-Type': 'application/json',
      ...(authorization !== undefined && { Authorization: authorization }),
    };
  }

  /**
   * Asks for a change. Asks up to five times more where there is no answer, or one that says to come back.
   *
   * @returns the server's answer, whatever its status
   * @throws {NoAnswerError} if there is none, or a 200 that cannot be read
   * @throws the signal's reason once that aborts
   */
  async change<T>(change: Change<T>, options: ChangeOptions = {}): Promise<Answer<T>> {
    let isUndecided = false;
    for (let retry = 0; ; retry += 1) {
      const outcome = await this.#try(change, options, isUndecided);
      isUndecided = outcome instanceof NoAnswerError && outcome.isUndecided;
      if (!this.#isWorthRetrying(outcome) || retry === RETRIES_MAX || !(await isWantedAfter(outcome, retry, options))) {
        if (outcome instanceof NoAnswerError) throw outcome;
        return this.#answer(change, outcome);
      }
    }
  }

  /**
   * Posts JSON, once.
   *
   * @returns the server's answer, whatever its status
   * @throws {NoAnswerError} if there is none
   * @throws the signal's reason once that aborts
   */
  async post(path: string, json: string, signal?: AbortSignal): Promise<Reply> {
    const get = (path: string): Promise<Reply> => this.#fetch(path, { method: 'GET', headers: this.#headers }, signal);
    const once = async (): Promise<Reply> => {
      const headers = { ...this.#headers, ...(await this.#csrf.headers(get)) };
      return this.#fetch(path, { method: 'POST', headers, body: json }, signal);
    };
    const reply = await once();
    return this.#csrf.isRefusedBy(reply) ? once() : reply;
  }

  #answer<T>({ path, read }: Change<T>, reply: Reply): Answer<T> {
    if (reply.status !== 200 || read === undefined) return { ...reply, value: undefined };
    const value = read(reply.json);
    if (value === undefined) throw new UnreadableAnswerError(this.url, path, { advice: this.#advice });
    return { ...reply, value };
  }

  /** `isUndecided`: whether the try before may have been carried out. */
  async #try(change: Change, { signal, undo }: ChangeOptions, isUndecided: boolean): Promise<Reply | NoAnswerError> {
    try {
      const first = isUndecided ? undo?.() : undefined;
      if (first !== undefined) {
        const undone = await this.#post(first, signal);
        if (undone.status !== 200) return this.#noAnswer(`${first.path} was answered with ${undone.status}`);
      }
      const reply = await this.#post(change, signal);
      this.#hasAnswered = true;
      return LOST_STATUSES.has(reply.status) ? this.#noAnswer(`a proxy answered ${reply.status}`) : reply;
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error;
      // What is not known of the try before does not become known by this one.
      return isUndecided ? this.#noAnswer(error.reason, error) : error;
    }
  }

  #noAnswer(reason: string, cause?: unknown): NoAnswerError {
    return new NoAnswerError(this.url, reason, true, { cause, advice: this.#advice });
  }

  /** A server that has never answered is most likely not the one that is meant. */
  #isWorthRetrying(outcome: Reply | NoAnswerError): boolean {
    if (outcome instanceof NoAnswerError) return outcome.isUndecided || this.#hasAnswered;
    return BUSY_STATUSES.has(outcome.status);
  }

  #post({ path, body }: Change, signal: AbortSignal | undefined): Promise<Reply> {
    return this.post(path, JSON.stringify(body), signal);
  }

  async #fetch(
    path: string,
    question: Pick<Question, 'method' | 'headers' | 'body'>,
    signal: AbortSignal | undefined,
  ): Promise<Reply> {
    const timeout = AbortSignal.timeout(ANSWER_MS_MAX);
    const ended = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
    try {
      // `fetch` makes a GET of a POST that is redirected with 301 or 302, and its answer would pass for the POST's.
      const answer = await this.#ask(this.url + path, { ...question, redirect: 'manual', signal: ended });
      if (!SAME_METHOD_STATUSES.has(answer.status)) return await readReply(answer);
      await answer.body?.cancel();
      return await readReply(await this.#ask(this.url + path, { ...question, redirect: 'follow', signal: ended }));
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.aborted) throw this.#noAnswer(`nothing within ${ANSWER_MS_MAX / 1000} s`);
      throw NoAnswerError.from(this.url, error, this.#advice);
    }
  }
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
  await delay(Math.min(waitMs, TIMER_MS_MAX), undefined, { signal: ended }).catch(() => undefined);
  signal?.throwIfAborted();
  return !ended.aborted;
}
