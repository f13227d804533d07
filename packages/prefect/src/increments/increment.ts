/** An increment and its outcomes, the same for all three of Prefect's calls. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Amounts, Holder, Lease, Origin, Refusal, State } from '@slotkeeper/engine';
import { LIMITS_MAX } from '@slotkeeper/protocol';
import { PrefectError } from '../api/answers.ts';
import type { ListedLimit } from './listing.ts';

/**
 * What becomes of the slots:
 * - `tag`: v1; they are the task run's until its decrement;
 * - `leased`: v2 with a lease, which is renewed;
 * - `bare`: v2 without one. Its slots are a lease only until its answer has arrived; then they stay taken without it.
 */
export type Kind = 'tag' | 'leased' | 'bare';

/** The origin of each kind's leases. The journal has it, so the kind is known after a restart, too. */
export const ORIGINS = {
  tag: 'prefect-tag',
  leased: 'prefect-lease',
  bare: 'prefect-bare',
} as const satisfies Readonly<Record<Kind, Origin>>;

export interface Increment {
  readonly kind: Kind;
  /** Distinct. */
  readonly names: readonly string[];
  /** How many slots of each limit. */
  readonly slots: number;
  readonly ratesOnly: boolean;
  /** Null: only the connection distinguishes this client from others. */
  readonly holder: Pick<Holder, 'type' | 'id'> | null;
  /** Who has sent it, for people. */
  readonly sender: Pick<Holder, 'label' | 'host'>;
  readonly connection: number;
  /** The time to live of the lease; null: it lasts until it is released. */
  readonly ttlMs: number | null;
}

export type Outcome =
  | {
      readonly is: 'granted';
      readonly leaseId: string;
      /** What was taken. */
      readonly amounts: Amounts;
      /** The limits asked for, without names that have no limit. */
      readonly limits: readonly ListedLimit[];
    }
  /** It can never be granted. */
  | { readonly is: 'refused'; readonly refusal: Refusal }
  /** Not yet: ask again. */
  | { readonly is: 'full' }
  | { readonly is: 'unavailable' };

/** The text for a Python user, whose client asks again by itself. The engine's refusal has only the facts. */
export function queueFullText({ details: { max, name } }: Refusal): string {
  const whose = typeof name === 'string' ? `for '${name}'` : 'of this server';
  return `The wait queue ${whose} is full: ${max} at the most. Nothing was taken; the client asks again.`;
}

/** A stock server has no draining, so its clients know no refusal for it: they ask again until the limit is resumed. */
export const DRAINING_TEXT = 'The limit is draining: it takes nobody until it is resumed. The client asks again.';

/** A refusal that no increment of Prefect's clients should meet. */
export function refusedText({ code }: Refusal): string {
  return `The server has refused the increment (${code}). Nothing was taken.`;
}

/** The `Retry-After` of a request whose hold is over. */
export const RETRY_AFTER_SECONDS = 0.1;
/** The `Retry-After` of a request that may not wait in the queue. */
export const ASK_AGAIN_SECONDS = 2;

/** A repeat has the same key. */
export function keyOf({ kind, names, slots, ratesOnly, holder, connection }: Increment): string {
  const who = holder ? [holder.type, holder.id] : connection;
  return JSON.stringify([kind, who, slots, ratesOnly, [...names].sort()]);
}

/**
 * The names that an increment waits for. A stock server accepts any number of names, and ignores those that have no limit. So
 * if there are more names than a lease can have, these are the ones that have a limit. Throws a `PrefectError` if those are
 * still too many.
 */
export function namesToTake({ limits }: State, names: readonly string[]): readonly string[] {
  if (names.length <= LIMITS_MAX) return names;
  const known = names.filter((name) => limits.has(name));
  if (known.length <= LIMITS_MAX) return known;
  const detail = `An increment takes of ${LIMITS_MAX} limits at the most, and ${known.length} of these names have one. Nothing was taken.`;
  throw new PrefectError(422, { detail });
}

export function isOfKind(kind: Kind, lease: Lease): boolean {
  return lease.origin === ORIGINS[kind];
}

export function acquireFor({ names, slots, ratesOnly, holder, sender }: Increment): AcquireRequest {
  return {
    leaseId: randomUUID(),
    amounts: names.map((name) => [name, slots]),
    timeoutMs: null,
    priority: 0,
    holder: { type: null, id: null, ...holder, ...sender, pid: null },
    onMissing: 'allow',
    place: null,
    ratesOnly,
    refunds: true,
    skipInactive: true,
    limitIds: [],
  };
}
