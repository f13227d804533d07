/**
 * Slots by Prefect's REST API.
 *
 * A stock server does not know a repeated increment from a new one: it would take a second slot. So whenever an
 * increment may have been carried out and its answer is lost, a decrement for the same task run goes first, before it
 * is tried again as well as when we give up. A stock decrement gives back everything that the task run holds of these
 * limits. Where this process holds some of it on purpose, nothing is given back: the release of that does it.
 */

import { EventStream } from '../rest/event-stream.ts';
import { GivenUp } from '../rest/given-up.ts';
import type { TakenLimit } from '../rest/limit-event.ts';
import { NoAnswerError } from '../rest/no-answer.ts';
import {
  type Change,
  credentialsOfEnvironment,
  detailOf,
  jsonOf,
  PrefectApi,
  PrefectApiError,
  type Reply,
} from '../rest/prefect-api.ts';
import { untilUnlocked } from '../rest/until-unlocked.ts';
import type { Patience } from '../shared/patience.ts';
import { ConcurrencySlotAcquisitionServiceError } from './errors.ts';
import { slotEvent } from './slot-event.ts';
import type { Hold, SlotService } from './slot-service.ts';

interface Held {
  readonly names: readonly string[];
  readonly taskRunId: string;
}

export class PrefectService implements SlotService {
  readonly #api: PrefectApi;
  readonly #events: EventStream;
  readonly #held = new Set<Held>();
  readonly #givenUp = new GivenUp();

  constructor(url: string) {
    const credentials = credentialsOfEnvironment();
    this.#api = new PrefectApi(url, credentials);
    this.#events = new EventStream(url, credentials);
  }

  async acquire(names: readonly string[], taskRunId: string, patience: Patience): Promise<Hold> {
    const reply = await untilUnlocked(() => this.#increment(names, taskRunId, patience), patience);
    if (reply.status === 200) return this.#hold({ names, taskRunId }, takenLimits(reply));
    throw reply.status === 423 ? locked(reply) : new PrefectApiError(incrementOf(names, taskRunId), reply);
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
    await this.#givenUp.settled();
    await this.#events.close();
  }

  #increment(names: readonly string[], taskRunId: string, patience: Patience): Promise<Reply> {
    const undo = () => (this.#isHeld(names, taskRunId) ? undefined : decrementOf(names, taskRunId, 0));
    const reply = this.#api.change(incrementOf(names, taskRunId), { unwanted: patience.over, undo });
    return this.#givenUp.orUndo(reply, patience, () => this.#undo(reply, names, taskRunId));
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
