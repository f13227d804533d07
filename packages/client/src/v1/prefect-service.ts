/**
 * Slots by Prefect's REST API.
 *
 * A stock server does not know a repeated increment from a new one: it would take a second slot. So whenever an
 * increment may have been carried out and its answer is lost, a decrement for the same task run goes first, before it
 * is tried again as well as when we give up. A stock decrement gives back everything that the task run holds of these
 * limits. Where this process holds some of it on purpose, nothing is given back: the release of that does it.
 */
import { ConcurrencySlotAcquisitionServiceError } from './errors.ts';
import { EventStream } from './event-stream.ts';
import { NoAnswerError } from './no-answer.ts';
import type { Patience } from './patience.ts';
import {
  type Change,
  detailOf,
  jsonOf,
  PrefectApi,
  PrefectApiError,
  type Reply,
  retryAfterSeconds,
} from './prefect-api.ts';
import { slotEvent } from './slot-event.ts';
import type { Hold, SlotService } from './slot-service.ts';

/** A limit of which a slot was taken. */
export interface TakenLimit {
  readonly id: string;
  readonly name: string;
  readonly limit: number;
}

interface Held {
  readonly names: readonly string[];
  readonly taskRunId: string;
}

export class PrefectService implements SlotService {
  readonly #api: PrefectApi;
  readonly #events: EventStream;
  readonly #held = new Set<Held>();
  /** Increments nobody waits for any more, until what they may have taken is given back. */
  readonly #undoing = new Set<Promise<void>>();

  constructor(url: string) {
    const credentials = { authString: process.env.PREFECT_API_AUTH_STRING, apiKey: process.env.PREFECT_API_KEY };
    this.#api = new PrefectApi(url, credentials);
    this.#events = new EventStream(url, credentials);
  }

  async acquire(names: readonly string[], taskRunId: string, patience: Patience): Promise<Hold> {
    for (;;) {
      const reply = await this.#increment(names, taskRunId, patience);
      if (reply.status === 200) return this.#hold({ names, taskRunId }, takenLimits(reply));
      if (reply.status !== 423) throw new PrefectApiError(incrementOf(names, taskRunId), reply);
      const seconds = retryAfterSeconds(reply);
      if (seconds === undefined) throw locked(reply);
      await patience.pause(seconds);
    }
  }

  async release(
    names: readonly string[],
    taskRunId: string,
    occupancySeconds: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const change = decrementOf(names, taskRunId, occupancySeconds);
    const reply = await this.#api.change(change, { signal });
    if (reply.status !== 200) throw new PrefectApiError(change, reply);
  }

  async close(): Promise<void> {
    await Promise.all(this.#undoing);
    await this.#events.close();
  }

  /** The request goes on when the patience ends, so that it is known whether there is something to give back. */
  async #increment(names: readonly string[], taskRunId: string, patience: Patience): Promise<Reply> {
    const undo = () => (this.#isHeld(names, taskRunId) ? undefined : decrementOf(names, taskRunId, 0));
    const reply = this.#api.change(incrementOf(names, taskRunId), { unwanted: patience.over, undo });
    try {
      return await patience.race(reply);
    } catch (error) {
      const undoing = this.#undo(reply, names, taskRunId).finally(() => this.#undoing.delete(undoing));
      this.#undoing.add(undoing);
      throw error;
    }
  }

  /** Gives back what an increment has taken, or may have. */
  async #undo(increment: Promise<Reply>, names: readonly string[], taskRunId: string): Promise<void> {
    const taken = await increment.then(
      ({ status }) => status === 200,
      (error: unknown) => error instanceof NoAnswerError && error.undecided,
    );
    if (!taken || this.#isHeld(names, taskRunId)) return;
    await this.release(names, taskRunId, 0).catch((error: unknown) =>
      console.warn(`Slots may be left to task run ${taskRunId}, whose increment was given up`, error),
    );
  }

  #isHeld(names: readonly string[], taskRunId: string): boolean {
    return [...this.#held].some(
      (held) => held.taskRunId === taskRunId && held.names.some((name) => names.includes(name)),
    );
  }

  #hold(held: Held, limits: readonly TakenLimit[]): Hold {
    this.#held.add(held);
    const acquired = limits.map((limit) => this.#events.send(slotEvent('acquired', limit, limits, held.taskRunId)));
    const tellReleased = () => {
      for (const [index, limit] of limits.entries()) {
        this.#events.send(slotEvent('released', limit, limits, held.taskRunId, acquired[index]));
      }
    };
    return {
      release: async (occupancySeconds, signal) => {
        this.#held.delete(held);
        try {
          await this.release(held.names, held.taskRunId, occupancySeconds, signal);
        } catch (error) {
          // Once cancelled, the context's exit gives them back; as in Prefect the event is told now.
          if (signal?.aborted) tellReleased();
          throw error;
        }
        tellReleased();
      },
    };
  }
}

function incrementOf(names: readonly string[], taskRunId: string): Change {
  return { path: '/concurrency_limits/increment', body: { names, task_run_id: taskRunId } };
}

function decrementOf(names: readonly string[], taskRunId: string, occupancySeconds: number): Change {
  const body = { names, task_run_id: taskRunId, occupancy_seconds: occupancySeconds };
  return { path: '/concurrency_limits/decrement', body };
}

function takenLimits(reply: Reply): readonly TakenLimit[] {
  const limits = jsonOf(reply);
  return Array.isArray(limits) ? limits : [];
}

function locked(reply: Reply): ConcurrencySlotAcquisitionServiceError {
  return new ConcurrencySlotAcquisitionServiceError(
    detailOf(reply) ?? 'The concurrency limit is locked; the server did not say why.',
  );
}
