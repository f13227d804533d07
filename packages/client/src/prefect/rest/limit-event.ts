/** The events that tell of a limit's slots, as Prefect's UI and automations know them. */
import { uuid7 } from './uuid7.ts';

/** Events further apart are not put in order by `follows`. */
const FOLLOWS_WITHIN_MS = 5 * 60_000;

/** A limit of which slots were taken, as a Prefect API tells it. */
export interface TakenLimit {
  readonly id: string;
  readonly name: string;
  readonly limit: number;
}

export interface LimitEvent {
  readonly id: string;
  readonly occurred: string;
  readonly event: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly related: readonly Readonly<Record<string, string>>[];
  readonly payload: Readonly<Record<string, never>>;
  readonly follows: string | null;
}

export interface Happening {
  /** The kind of limit: what event and resource begin with. */
  readonly kind: 'prefect.concurrency-limit' | 'prefect.concurrency-limit.v1';
  readonly phase: 'acquired' | 'released';
  readonly limit: TakenLimit;
  /** All limits of the call; the others are told as related. */
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
