/** What a Prefect server's answers say. A field that is missing or of another type makes the answer unreadable; others are ignored. */

/** A limit of which slots were taken. */
export interface TakenLimit {
  readonly id: string;
  readonly name: string;
  readonly limit: number;
}

/** A lease as `increment-with-lease` grants it. */
export interface LeaseGrant {
  readonly lease_id: string;
  readonly limits: readonly TakenLimit[];
}

/** A global limit. The limit of the tag T is the one named `tag:T`. */
export interface GlobalLimit {
  readonly name: string;
  readonly limit: number;
  readonly active: boolean;
  readonly active_slots: number;
  readonly slot_decay_per_second: number;
}

const TAKEN_LIMIT = { id: 'string', name: 'string', limit: 'number' } as const;
const GLOBAL_LIMIT = {
  name: 'string',
  limit: 'number',
  active: 'boolean',
  active_slots: 'number',
  slot_decay_per_second: 'number',
} as const;

export function readTakenLimits(json: unknown): readonly TakenLimit[] | undefined {
  return listOf<TakenLimit>(json, TAKEN_LIMIT);
}

export function readLeaseGrant(json: unknown): LeaseGrant | undefined {
  return has<LeaseGrant>(json, { lease_id: 'string' }) && readTakenLimits(json.limits) ? json : undefined;
}

export function readGlobalLimits(json: unknown): readonly GlobalLimit[] | undefined {
  return listOf<GlobalLimit>(json, GLOBAL_LIMIT);
}

type Types = Readonly<Record<string, 'string' | 'number' | 'boolean'>>;

function listOf<T>(json: unknown, types: Types): readonly T[] | undefined {
  return Array.isArray(json) && json.every((item) => has<T>(item, types)) ? json : undefined;
}

function has<T>(json: unknown, types: Types): json is T {
  if (typeof json !== 'object' || json === null) return false;
  return Object.entries(types).every(([field, type]) => typeof Reflect.get(json, field) === type);
}
