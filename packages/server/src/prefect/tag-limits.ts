/** Tag limits as Prefect's v1 sees them: the limit named `tag:T` is the limit on the tag T. */
import type { Lease, Limit, State } from '@slotkeeper/engine';

const PREFIX = 'tag:';

export const limitName = (tag: string): string => PREFIX + tag;
export const tagOf = (name: string): string => name.slice(PREFIX.length);
const isTagLimit = (name: string): boolean => name.startsWith(PREFIX);

/** A limit in full. */
export interface TagLimit {
  readonly id: string;
  readonly created: string;
  readonly updated: string;
  readonly tag: string;
  readonly concurrency_limit: number;
  /** The task runs that hold it, one entry a lease. */
  readonly active_slots: readonly string[];
}

/** A limit as increments and decrements list it; `name` is the tag. */
export interface TakenLimit {
  readonly id: string;
  readonly name: string;
  readonly limit: number;
}

export function tagLimit(limit: Limit): TagLimit {
  return {
    id: limit.id,
    created: rfc3339(limit.createdAtMs),
    updated: rfc3339(limit.updatedAtMs),
    tag: tagOf(limit.name),
    concurrency_limit: limit.settings.slots,
    active_slots: [...limit.leases.values()].map(taskRunOf).filter((id) => id !== null),
  };
}

export function taskRunOf({ holder }: Lease): string | null {
  return holder.type === 'task_run' ? holder.id : null;
}

export function tagLimitById(state: State, id: string): Limit | undefined {
  for (const limit of state.limits.values()) if (limit.id === id && isTagLimit(limit.name)) return limit;
  return undefined;
}

/** By name. */
export function tagLimits(state: State): Limit[] {
  return [...state.limits.values()].filter(({ name }) => isTagLimit(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The limits on these tags that there are, in the order of the tags. */
export function limitsOn(state: State, tags: readonly string[]): Limit[] {
  return tags.map((tag) => state.limits.get(limitName(tag))).filter((limit) => limit !== undefined);
}

export function takenLimit({ id, name, settings }: Limit): TakenLimit {
  return { id, name: tagOf(name), limit: settings.slots };
}

/** In UTC with microseconds, of which engine time has a fraction of a millisecond at the most. */
export function rfc3339(ms: number): string {
  const microseconds = Math.floor((ms - Math.floor(ms)) * 1000);
  return new Date(Math.floor(ms)).toISOString().replace('Z', `${String(microseconds).padStart(3, '0')}Z`);
}
