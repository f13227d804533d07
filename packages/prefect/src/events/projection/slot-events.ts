/** The events about slots and limits, in the form that Prefect's clients and server give them. */
import type { Holder } from '@slotkeeper/engine';
import { instant } from '../../api/timestamps.ts';
import { type PrefectEvent, RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, type Resource } from '../event.ts';
import { eventId } from './event-id.ts';
import type { KnownLimit, OpenGrant, Taken } from './projection-state.ts';

/** `follows` links two events only if they are no further apart than this. */
const FOLLOWS_WITHIN_MS = 5 * 60_000;

/**
 * How slots came back:
 * - `returned`: their holder gave them back;
 * - `undone`: the grant was cancelled before anybody used it;
 * - `expired`: their holder gave no sign of life in time;
 * - `revoked`: they were taken away, by an operator or with their limit; `reason` says why.
 */
export interface End {
  readonly cause: 'returned' | 'undone' | 'expired' | 'revoked';
  readonly reason?: string;
}

export function acquired(grant: OpenGrant, taken: Taken): PrefectEvent {
  return slotEvent('acquired', grant, taken, grant.atMs, holderOf(grant), null);
}

export function released(grant: OpenGrant, taken: Taken, atMs: number, end: End): PrefectEvent {
  const heldMs = Math.max(0, atMs - grant.atMs);
  const payload = { ...end, occupancy_seconds: Math.round(heldMs) / 1000, ...holderOf(grant) };
  const follows = heldMs < FOLLOWS_WITHIN_MS ? idOf('acquired', grant, taken, grant.atMs) : null;
  return slotEvent('released', grant, taken, atMs, payload, follows);
}

type Phase = 'acquired' | 'released';

function idOf(phase: Phase, grant: OpenGrant, taken: Taken, atMs: number): string {
  return eventId(atMs, phase, grant.lease, grant.token, taken.limit);
}

function slotEvent(
  phase: Phase,
  grant: OpenGrant,
  taken: Taken,
  atMs: number,
  payload: PrefectEvent['payload'],
  follows: string | null,
): PrefectEvent {
  const kind = grant.isV1 ? 'prefect.concurrency-limit.v1' : 'prefect.concurrency-limit';
  const others = grant.limits.filter((limit) => limit !== taken.limit);
  return {
    occurred: instant(atMs),
    event: `${kind}.${phase}`,
    resource: { [RESOURCE_ID]: `${kind}.${taken.limit}`, ...labels(grant, taken) },
    related: others.map((limit) => ({ [RESOURCE_ID]: `${kind}.${limit}`, [RESOURCE_ROLE]: 'concurrency-limit' })),
    payload,
    id: idOf(phase, grant, taken, atMs),
    follows,
  };
}

function labels({ isV1, holder }: OpenGrant, { name, size, slots }: Taken): Resource {
  return isV1
    ? { [RESOURCE_NAME]: name.replace(/^tag:/, ''), limit: String(size), task_run_id: holder.id ?? '' }
    : { [RESOURCE_NAME]: name, 'slots-acquired': String(slots), limit: String(size) };
}

/** The holder for the payload. An event of v1 has its task run as a label already. */
function holderOf({ isV1, holder }: OpenGrant): { readonly holder?: Partial<Holder> } {
  const known = Object.entries(holder).filter(([, value]) => value !== null);
  return isV1 || known.length === 0 ? {} : { holder: Object.fromEntries(known) };
}

/** @param position the position of the fact */
export function limitEvent(
  what: 'created' | 'updated' | 'deleted',
  limit: KnownLimit,
  atMs: number,
  position: number,
): PrefectEvent {
  const { id, name, slots, active, slotDecayPerSecond } = limit;
  return {
    occurred: instant(atMs),
    event: `prefect.concurrency-limit.${what}`,
    resource: { [RESOURCE_ID]: `prefect.concurrency-limit.${id}`, [RESOURCE_NAME]: name },
    related: [],
    payload: { name, limit: slots, active, slot_decay_per_second: slotDecayPerSecond ?? 0 },
    id: eventId(atMs, what, id, position),
    follows: null,
  };
}
