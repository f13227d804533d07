/**
 * Slots over Prefect's REST API.
 *
 * A stock server takes a repeated increment for a new one, and takes a second slot:
 *
 * 1. An increment is carried out, and its answer is lost.
 * 2. Before it is repeated, or when it is given up, a decrement for the same task run goes first.
 * 3. A stock decrement gives back everything that the task run holds of these limits. So where this process holds some of
 *    it on purpose, nothing is given back now: the release of those slots gives back all.
 */
import {
  type Answer,
  type Change,
  detailOf,
  NoAnswerError,
  PrefectApiError,
  readTakenLimits,
  type TakenLimit,
} from '@slotkeeper/protocol/prefect';
import { PrefectServer, releasing } from '../rest/prefect-server.ts';
import type { Deadline } from '../shared/deadline.ts';
import { ConcurrencySlotAcquisitionServiceError } from './errors.ts';
import type { Hold, SlotService } from './slot-service.ts';

interface HeldSlots {
  readonly names: readonly string[];
  readonly taskRunId: string;
}

type Taken = readonly TakenLimit[];

export class PrefectService implements SlotService {
  readonly #server: PrefectServer;
  readonly #held = new Set<HeldSlots>();

  constructor(url: string) {
    this.#server = new PrefectServer(url);
  }

  async acquire(names: readonly string[], taskRunId: string, deadline: Deadline): Promise<Hold> {
    const increment = incrementOf(names, taskRunId);
    const answer = await this.#server.take(increment, deadline, {
      undo: () => (this.#isHeld(names, taskRunId) ? undefined : decrementOf(names, taskRunId, 0)),
      abandon: (asked) => this.#undo(asked, names, taskRunId),
    });
    if (answer.value !== undefined) return this.#hold({ names, taskRunId }, answer.value);
    throw answer.status === 423 ? locked(answer) : new PrefectApiError(increment.path, answer);
  }

  async release(
    names: readonly string[],
    taskRunId: string,
    occupancySeconds: number,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#server.change(decrementOf(names, taskRunId, occupancySeconds), 200, { signal });
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  /** Gives back what an increment has taken, or may have taken. */
  async #undo(increment: Promise<Answer<Taken>>, names: readonly string[], taskRunId: string): Promise<void> {
    const mayHaveTaken = await increment.then(
      ({ status }) => status === 200,
      (error: unknown) => error instanceof NoAnswerError && error.isUndecided,
    );
    if (!mayHaveTaken || this.#isHeld(names, taskRunId)) return;
    await this.release(names, taskRunId, 0).catch((error: unknown) =>
      console.warn(`Slots may be left to task run ${taskRunId}, whose increment was given up`, error),
    );
  }

  #isHeld(names: readonly string[], taskRunId: string): boolean {
    return [...this.#held].some(
      (held) => held.taskRunId === taskRunId && held.names.some((name) => names.includes(name)),
    );
  }

  #hold(held: HeldSlots, limits: Taken): Hold {
    this.#held.add(held);
    const { names, taskRunId } = held;
    const reportReleased = this.#server.reportAcquired('prefect.concurrency-limit.v1', limits, {
      task_run_id: taskRunId,
    });
    return {
      release: (occupancySeconds, signal) => {
        this.#held.delete(held);
        return releasing(() => this.release(names, taskRunId, occupancySeconds, signal), signal, reportReleased);
      },
    };
  }
}

function incrementOf(names: readonly string[], taskRunId: string): Change<Taken> {
  const body = { names, task_run_id: taskRunId };
  return { path: '/concurrency_limits/increment', body, read: readTakenLimits };
}

function decrementOf(names: readonly string[], taskRunId: string, occupancySeconds: number): Change<Taken> {
  const body = { names, task_run_id: taskRunId, occupancy_seconds: occupancySeconds };
  return { path: '/concurrency_limits/decrement', body, read: readTakenLimits };
}

function locked(answer: Answer<Taken>): ConcurrencySlotAcquisitionServiceError {
  return new ConcurrencySlotAcquisitionServiceError(
    detailOf(answer) ?? 'The concurrency limit is locked; the server did not say why.',
  );
}
