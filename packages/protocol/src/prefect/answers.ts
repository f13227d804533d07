/**
 * What a Prefect server's answers say. A field that is missing or of another type makes the answer unreadable. Fields that are
 * not named here are ignored: another version of Prefect may have more.
 */
import { anyText, anything, boolean, number, type Shape, shape } from '@slotkeeper/shape';

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

/** A deployment with a limit of its runs. */
export interface LimitedDeployment {
  readonly name: string;
  /** The limit's name. */
  readonly limit: string;
}

const anyNumber = number(-Number.MAX_VALUE, Number.MAX_VALUE);

const takenLimit = shape<TakenLimit>({ id: anyText, name: anyText, limit: anyNumber });

const grant = shape<{ readonly lease_id: string; readonly limits: unknown }>({ lease_id: anyText, limits: anything });

const globalLimit = shape<GlobalLimit>({
  name: anyText,
  limit: anyNumber,
  active: boolean,
  active_slots: anyNumber,
  slot_decay_per_second: anyNumber,
});

const named = shape<{ readonly name: string }>({ name: anyText });

const deployment = shape<{ readonly name: string; readonly global_concurrency_limit: unknown }>({
  name: anyText,
  global_concurrency_limit: anything,
});

export function readTakenLimits(json: unknown): readonly TakenLimit[] | undefined {
  return readList(takenLimit, json);
}

export function readLeaseGrant(json: unknown): LeaseGrant | undefined {
  const read = readObject(grant, json);
  const limits = readTakenLimits(read?.limits);
  return read && limits && { lease_id: read.lease_id, limits };
}

export function readGlobalLimits(json: unknown): readonly GlobalLimit[] | undefined {
  return readList(globalLimit, json);
}

/** Of a list of deployments those that have a limit. */
export function readLimitedDeployments(
  json: unknown,
): { readonly all: number; readonly limited: LimitedDeployment[] } | undefined {
  const all = readList(deployment, json);
  if (all === undefined) return undefined;
  const limited = all.flatMap(({ name, global_concurrency_limit: limit }) => {
    const read = readObject(named, limit);
    return read === undefined ? [] : [{ name, limit: read.name }];
  });
  return { all: all.length, limited };
}

function readList<T>(item: Shape<T>, json: unknown): readonly T[] | undefined {
  if (!Array.isArray(json)) return undefined;
  const read = json.map((each) => readObject(item, each));
  return read.every((each) => each !== undefined) ? read : undefined;
}

function readObject<T>({ fields, check }: Shape<T>, json: unknown): T | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const known = Object.fromEntries(Object.keys(fields).map((field) => [field, Reflect.get(json, field)]));
  return check(known, '') === undefined ? (known as T) : undefined;
}
