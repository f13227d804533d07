/** Tag limits as Prefect's v1 sees them: the limit named `tag:T` is the limit on the tag T. */
import type { Limit, State } from '@slotkeeper/engine';
import { limitPage, limitsNamed } from '../api/limit-lookup.ts';
import { pastInstant } from '../api/timestamps.ts';
import type { Host } from '../host.ts';
import type { ListedLimit } from '../increments/listing.ts';
import { taskRunsOn } from './task-runs.ts';

const PREFIX = 'tag:';

export const limitName = (tag: string): string => PREFIX + tag;
export const tagOf = (name: string): string => name.slice(PREFIX.length);
const isTagLimit = ({ name }: Limit): boolean => name.startsWith(PREFIX);

/** A limit as the routes of `/concurrency_limits` show it. */
export interface TagLimit {
  readonly id: string;
  readonly created: string;
  readonly updated: string;
  readonly tag: string;
  readonly concurrency_limit: number;
  /** The ids of the task runs that hold it, one for each lease. */
  readonly active_slots: readonly string[];
}

/** A limit as increments and decrements list it; `name` is the tag. */
export interface TakenTag {
  readonly id: string;
  readonly name: string;
  readonly limit: number;
}

export function tagLimit(host: Host, limit: Limit): TagLimit {
  return {
    id: limit.id,
    created: pastInstant(limit.createdAtMs),
    updated: pastInstant(limit.updatedAtMs),
    tag: tagOf(limit.name),
    concurrency_limit: limit.settings.slots,
    active_slots: taskRunsOn(host, limit),
  };
}

export function takenTag({ id, name, slots }: ListedLimit): TakenTag {
  return { id, name: tagOf(name), limit: slots };
}

export function tagLimitById(state: State, id: string): Limit | undefined {
  const limit = state.limits.withId(id);
  return limit && isTagLimit(limit) ? limit : undefined;
}

/** Those whose limits have names that begin with `prefix`. */
export function tagLimitPage(state: State, prefix: string, offset: number, max: number): Limit[] {
  if (prefix.startsWith(PREFIX)) return limitPage(state, prefix, offset, max);
  return PREFIX.startsWith(prefix) ? limitPage(state, PREFIX, offset, max) : [];
}

/** The limits on these tags, in the order of the tags. A tag without a limit is left out. */
export function limitsOn(state: State, tags: readonly string[]): Limit[] {
  return limitsNamed(state, tags.map(limitName));
}
