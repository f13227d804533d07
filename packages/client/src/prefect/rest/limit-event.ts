/** The events that report a limit's slots, as Prefect's UI and automations know them. */
import type { TakenLimit } from '@slotkeeper/protocol/prefect';
import { uuid7 } from './uuid7.ts';

/** Events further apart are not put in order by `follows`. */
const FOLLOWS_WITHIN_MS = 5 * 60_000;

export interface LimitEvent {
  readonly id: string;
  readonly occurred: string;
  readonly event: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly related: readonly Readonly<Record<string, string>>[];
  readonly payload: Readonly<Record<string, never>>;
  readonly follows: string | null;
}

/** What the names of event and resource begin with. */
export type LimitKind = 'prefect.concurrency-limit' | 'prefect.concurrency-limit.v1';

interface Happening {
  readonly kind: LimitKind;
  readonly phase: 'acquired' | 'released';
  readonly limit: TakenLimit;
  /** All limits of the call. The others are the event's related resources. */
  readonly limits: readonly TakenLimit[];
  /** What else the resource says. */
  readonly about: Readonly<Record<string, string>>;
  /** The event that this one follows. */
  readonly before?: LimitEvent | undefined;
}

export function limitEvent({ kind, phase, limit, limits, about, before }: Happening): LimitEvent {
  const nowMs = Date.now();
  const isClose = before !== undefined && Math.abs(nowMs - Date.parse(before.occurred)) < FOLLOWS_WITHIN_MS;
  return {
    id: uuid7(nowMs),
    occurred: new Date(nowMs).toISOString(),
    event: `${kind}.${phase}`,
    resource: {
      'prefect.resource.id': `${kind}.${limit.id}`,
      'prefect.resource.name': limit.name,
      limit: String(limit.limit),
      ...about,
    },
    related: limits
      .filter((other) => other.id !== limit.id)
      .map((other) => ({
        'prefect.resource.id': `${kind}.${other.id}`,
        'prefect.resource.role': 'concurrency-limit',
      })),
    payload: {},
    follows: isClose ? before.id : null,
  };
}
