/** A Prefect server, as the services of both systems ask it: its API, the events it receives, and requests that were given up. */
import {
  type Answer,
  type Change,
  PrefectApi,
  PrefectApiError,
  retryAfterSeconds,
  type TakenLimit,
} from '@slotkeeper/protocol/prefect';
import { ask } from '@slotkeeper/protocol/proxy';
import type { Deadline } from '../shared/deadline.ts';
import { NO_ANSWER_ADVICE } from '../shared/servers.ts';
import { EventStream } from './event-stream.ts';
import { type LimitKind, limitEvent } from './limit-event.ts';

/** The slots are taken, and the server says when to ask again. */
const LOCKED = 423;

export interface TakeOptions<T> {
  /** How often to ask again where the slots are taken; none: until the deadline. */
  readonly retriesMax?: number | undefined;
  /** As for `PrefectApi.change`. */
  readonly undo?: (() => Change | undefined) | undefined;
  /**
   * Takes over a request whose answer nobody waits for any more, or that failed, to give back what it takes. It must not
   * reject. Left out: what it takes comes back by itself.
   */
  readonly abandon?: ((asked: Promise<Answer<T>>) => Promise<void>) | undefined;
}

export class PrefectServer {
  readonly #api: PrefectApi;
  readonly #events: EventStream;
  readonly #abandoned = new Set<Promise<void>>();

  /** Its credentials are where Prefect's own client looks for them. */
  constructor(url: string) {
    const { PREFECT_API_AUTH_STRING: authString, PREFECT_API_KEY: apiKey } = process.env;
    this.#api = new PrefectApi(url, { authString, apiKey }, NO_ANSWER_ADVICE, ask);
    this.#events = new EventStream(url, { authString, apiKey });
  }

  /**
   * Asks for slots until they are granted or refused, or the deadline has come.
   *
   * @returns the last answer
   * @throws the deadline's error once that is over, or why there is no answer
   */
  async take<T>(increment: Change<T>, deadline: Deadline, options: TakeOptions<T> = {}): Promise<Answer<T>> {
    const { retriesMax = Number.POSITIVE_INFINITY, undo, abandon } = options;
    for (let retry = 0; ; retry += 1) {
      const asked = this.#api.change(increment, { unwanted: deadline.signal, undo });
      const answer = await deadline.race(asked).catch((error: unknown) => {
        if (abandon !== undefined) this.#abandon(abandon(asked));
        throw error;
      });
      const seconds = answer.status === LOCKED ? retryAfterSeconds(answer) : undefined;
      if (seconds === undefined || retry >= retriesMax) return answer;
      await deadline.pause(seconds);
    }
  }

  /**
   * Carries out a change that is answered with `status`.
   *
   * @param unwanted aborts when the change need not be tried again
   * @throws {PrefectApiError} if it is answered with another status
   */
  async change(
    change: Change,
    status: 200 | 204,
    signals: { readonly signal?: AbortSignal | undefined; readonly unwanted?: AbortSignal | undefined },
  ): Promise<void> {
    const answer = await this.#api.change(change, signals);
    if (answer.status !== status) throw new PrefectApiError(change.path, answer);
  }

  /**
   * Reports to the server's events that these slots were acquired.
   *
   * @param about what the events say beside the limit
   * @returns what reports them as released
   */
  reportAcquired(kind: LimitKind, limits: readonly TakenLimit[], about: Readonly<Record<string, string>>): () => void {
    const acquired = limits.map((limit) =>
      this.#events.send(limitEvent({ kind, phase: 'acquired', limit, limits, about })),
    );
    return () => {
      for (const [index, limit] of limits.entries())
        this.#events.send(limitEvent({ kind, phase: 'released', limit, limits, about, before: acquired[index] }));
    };
  }

  /** Waits until everything that was given up is given back and all events have arrived. */
  async close(): Promise<void> {
    await Promise.all(this.#abandoned);
    await this.#events.close();
  }

  #abandon(givingBack: Promise<void>): void {
    const done = givingBack.finally(() => this.#abandoned.delete(done));
    this.#abandoned.add(done);
  }
}

/**
 * Settles as `release` does, then reports it. A release that `signal` cancels is made up for as the context exits; as in
 * Prefect it is reported at once.
 */
export async function releasing(
  release: () => Promise<void>,
  signal: AbortSignal | undefined,
  reportReleased: () => void,
): Promise<void> {
  try {
    await release();
  } catch (error) {
    if (signal?.aborted) reportReleased();
    throw error;
  }
  reportReleased();
}
