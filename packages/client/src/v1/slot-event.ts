/** The events that tell of a slot: acquired, and released after it. */
import type { TakenLimit } from './prefect-service.ts';
import { uuid7 } from './uuid7.ts';

/** Events further apart are not put in order by `follows`. */
const FOLLOWS_WITHIN_MS = 5 * 60_000;

export interface SlotEvent {
  readonly id: string;
  readonly occurred: string;
  readonly event: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly related: readonly Readonly<Record<string, string>>[];
  readonly payload: Readonly<Record<string, never>>;
  readonly follows: string | null;
}

/**
 * @param limits all limits of the call; the others are told as related
 * @param before the event that this one follows
 */
export function slotEvent(
  phase: 'acquired' | 'released',
  limit: TakenLimit,
  limits: readonly TakenLimit[],
  taskRunId: string,
  before?: SlotEvent,
): SlotEvent {
  const nowMs = Date.now();
  const isClose = before !== undefined && Math.abs(nowMs - Date.parse(before.occurred)) < FOLLOWS_WITHIN_MS;
  return {
    id: uuid7(nowMs),
    occurred: new Date(nowMs).toISOString(),
    event: `prefect.concurrency-limit.v1.${phase}`,
    resource: {
      'prefect.resource.id': resourceId(limit),
      'prefect.resource.name': limit.name,
      limit: String(limit.limit),
      task_run_id: taskRunId,
    },
    related: limits
      .filter((other) => other.id !== limit.id)
      .map((other) => ({
        'prefect.resource.id': resourceId(other),
        'prefect.resource.role': 'concurrency-limit',
      })),
    payload: {},
    follows: isClose ? before.id : null,
  };
}

function resourceId(limit: TakenLimit): string {
  return `prefect.concurrency-limit.v1.${limit.id}`;
}
