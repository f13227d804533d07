/** What an increment asks for, and what it is answered, whichever of Prefect's calls it came by. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Amounts, Holder, Lease, Origin, Refusal } from '@slotkeeper/engine';
import type { ListedLimit } from './listing.ts';

/**
 * What becomes of the slots:
 * - `tag`: v1; they are the task run's until its decrement;
 * - `leased`: v2 with a lease, which is renewed;
 * - `bare`: v2 without one. Its slots are a lease only until its answer has arrived; then they stay taken without it.
 */
export type Kind = 'tag' | 'leased' | 'bare';

/** The origin of their leases, which is known after a restart, too. */
export const ORIGINS = {
  tag: 'prefect-tag',
  leased: 'prefect-lease',
  bare: 'prefect-bare',
} as const satisfies Readonly<Record<Kind, Origin>>;

export interface Increment {
  readonly kind: Kind;
  /** Distinct. */
  readonly names: readonly string[];
  /** Of each of them. */
  readonly slots: number;
  readonly ratesOnly: boolean;
  /** Null: nobody is told from others but by the connection. */
  readonly holder: Pick<Holder, 'type' | 'id'> | null;
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
      /** Those of the limits asked for that there are. */
      readonly limits: readonly ListedLimit[];
    }
  /** It will never be granted. */
  | { readonly is: 'refused'; readonly refusal: Refusal }
  /** Not yet: ask again. */
  | { readonly is: 'full' }
  | { readonly is: 'unavailable' };

/** In words for a Python user, whose client asks again by itself: the engine's refusal has the facts alone. */
export function queueFullText({ details: { max, name } }: Refusal): string {
  const whose = typeof name === 'string' ? `for '${name}'` : 'of this server';
  return `The wait queue ${whose} is full: ${max} at the most. Nothing was taken; the client asks again.`;
}

/** A refusal that no increment of Prefect's clients should meet. */
export function refusedText({ code }: Refusal): string {
  return `The server has refused the increment (${code}). Nothing was taken.`;
}

/** What a request that is sent away is told to wait. */
export const RETRY_AFTER_SECONDS = 0.1;
/** After which a client whom the server cannot let wait asks again. */
export const QUEUE_FULL_RETRY_SECONDS = 2;

/** One that is sent again has the same key. */
export function keyOf({ kind, names, slots, ratesOnly, holder, connection }: Increment): string {
  const who = holder ? [holder.type, holder.id] : connection;
  return JSON.stringify([kind, who, slots, ratesOnly, [...names].sort()]);
}

export function isOfKind(kind: Kind, lease: Lease): boolean {
  return lease.origin === ORIGINS[kind];
}

export function acquireFor({ names, slots, ratesOnly, holder }: Increment): AcquireRequest {
  return {
    leaseId: randomUUID(),
    amounts: names.map((name) => [name, slots]),
    timeoutMs: null,
    priority: 0,
    holder: { type: null, id: null, ...holder, label: null, host: null, pid: null },
    onMissing: 'allow',
    place: null,
    ratesOnly,
    refunds: true,
    skipInactive: true,
    limitIds: [],
  };
}
