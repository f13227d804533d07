/** The events that tell of a slot: acquired, and released after it. */
import { type LimitEvent, limitEvent, type TakenLimit } from '../rest/limit-event.ts';

/**
 * @param limits all limits of the call; the others are told as related
 * @param before the event that this one follows
 */
export function slotEvent(
  phase: 'acquired' | 'released',
  limit: TakenLimit,
  limits: readonly TakenLimit[],
  taskRunId: string,
  before?: LimitEvent,
): LimitEvent {
  const about = { task_run_id: taskRunId };
  return limitEvent({ kind: 'prefect.concurrency-limit.v1', phase, limit, limits, about, before });
}
