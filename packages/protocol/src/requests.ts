/**
 * What may be asked for. The client checks before it sends, so that its caller hears at once; the server checks
 * again, since nobody needs to be our client. Each check returns what is wrong, or undefined.
 */
import type { ClientMessage, Method, WireAcquire } from './messages.ts';
import { type Problem, seen } from './problem.ts';

export type Check = (value: unknown, field: string) => Problem | undefined;

export const SLOTS_MAX = 2 ** 31 - 1;
/** Of slots a second. Slower is once in thirty years, and still a number of which sums can be made. */
export const DECAY_MIN = 1e-9;
export const LIMITS_MAX = 64;
export const TEXT_MAX = 255;
export const PRIORITY_MAX = 86_400;
export const TTL_MIN_MS = 2_000;
export const TTL_MAX_MS = 300_000;
const DESCRIPTION_MAX = 1_000;
/** The last moment that a `Date` knows. */
const TIME_MAX_MS = 8.64e15;
const TIMEOUT_MAX_MS = (2 ** 31 - 1) * 1_000;

// A name is also a name of Prefect's and a piece of a URL's path.
const NAME_BANS = /[\0/%&><]/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const checkShortText = checkText(TEXT_MAX);

export const checkName: Check = (name, field) => {
  const problem = checkShortText(name, field);
  if (problem) return problem;
  if (name === '') return { field, reason: 'must not be empty' };
  const banned = NAME_BANS.exec(name as string);
  return banned ? { field, reason: `must have none of / % & > <, but was ${seen(name)}` } : undefined;
};

/** Amounts as they go over the wire: pairs of a name and its slots. */
export const checkAmounts: Check = (amounts, field) => {
  const pairs = amounts as readonly (readonly [string, number])[];
  if (pairs.length < 1 || pairs.length > LIMITS_MAX)
    return { field, reason: `must name 1 to ${LIMITS_MAX} limits, but names ${pairs.length}` };
  if (pairs.length > 1 && new Set(pairs.map(([name]) => name)).size < pairs.length)
    return { field, reason: `must name each limit once, but names ${seen(twice(pairs))} twice` };
  for (const [name, slots] of pairs) {
    // Each acquire comes by here, twice: no text is made but of what is wrong.
    const wrongName = checkName(name, '');
    if (wrongName) return { ...wrongName, field: `${field}: a limit's name` };
    const wrongSlots = checkSlots(slots, '');
    if (wrongSlots) return { ...wrongSlots, field: `${field}: slots of '${name}'` };
  }
  return undefined;
};

function twice(pairs: readonly (readonly [string, number])[]): string | undefined {
  const names = pairs.map(([name]) => name);
  return names.find((name, i) => names.indexOf(name) !== i);
}

/** Slots to take. */
export const checkSlots = checkInteger(1, SLOTS_MAX);
export const checkPriority = checkNumber(-PRIORITY_MAX, PRIORITY_MAX);
/** In milliseconds; null: for ever. */
export const checkTimeout = orNull(checkNumber(0, TIMEOUT_MAX_MS));
/** In milliseconds; null: for ever. */
export const checkTtl = orNull(checkInteger(TTL_MIN_MS, TTL_MAX_MS));
export const checkLabel = orNull(checkShortText);

/** Of a lease or a session. */
export const checkId: Check = (id, field) =>
  typeof id === 'string' && UUID.test(id)
    ? undefined
    : { field, reason: `must be a UUID in lower case, but was ${seen(id)}` };

export const checkHolder: Check = checkFields({
  type: checkLabel,
  id: checkLabel,
  label: checkLabel,
  host: checkLabel,
  pid: orNull(checkInteger(0, SLOTS_MAX)),
});

const checkLimitSlots = checkInteger(0, SLOTS_MAX);

/** What is left out keeps its value, or its default as the limit is created. */
export const checkLimitSpec: Check = checkFields(
  {
    slots: checkLimitSlots,
    slotDecayPerSecond: orNull(checkNumber(DECAY_MIN, SLOTS_MAX)),
    active: checkBoolean,
    overtakes: checkInteger(0, SLOTS_MAX),
    maxWaiters: orNull(checkInteger(0, SLOTS_MAX)),
    description: orNull(checkText(DESCRIPTION_MAX)),
  },
  'optional',
);

/** Settings of a limit that is to be created. */
export const checkNewLimit: Check = (spec, field) =>
  checkLimitSpec(spec, field) ?? checkLimitSlots((spec as { slots?: unknown }).slots, `${field}.slots`);

/** What to do about a name that is no limit; `checkNew` is the check of settings to create it with. */
export function onMissing(checkNew: Check): Check {
  return (onMissing, field) => {
    if (onMissing === 'error' || onMissing === 'allow') return undefined;
    if (typeof onMissing !== 'object')
      return { field, reason: `must be 'error', 'allow' or a limit's settings, but was ${seen(onMissing)}` };
    return checkNew(onMissing, field);
  };
}

export const checkOnMissing = onMissing(checkNewLimit);

/** As a server gave it. JSON can say numbers that are infinite here, and they cannot be told on. */
const checkPlace = orNull(
  checkFields({ atMs: checkNumber(-TIME_MAX_MS, TIME_MAX_MS), number: checkInteger(0, Number.MAX_SAFE_INTEGER) }),
);

/** A decoded acquire. */
export function checkAcquire(request: WireAcquire): Problem | undefined {
  return (
    checkId(request.leaseId, 'lease') ??
    checkAmounts(request.amounts, 'limits') ??
    checkTimeout(request.timeoutMs, 'timeoutMs') ??
    checkPriority(request.priority, 'priority') ??
    checkHolder(request.holder, 'holder') ??
    checkOnMissing(request.onMissing, 'onMissing') ??
    checkPlace(request.place, 'place')
  );
}

/** A decoded hello, but its version and its key. */
export function checkHello(hello: Extract<ClientMessage, { readonly type: 'hello' }>): Problem | undefined {
  return checkId(hello.sessionId, 'session') ?? checkTtl(hello.ttlMs, 'ttlMs');
}

const after = orNull(checkText(10_000));
const named = checkFields({ name: checkName });
const settings = checkFields({ name: checkName, spec: checkLimitSpec });
const page = checkFields({ limit: orNull(checkName), after });

const params: { readonly [M in Method]: Check } = {
  'limits.ensure': settings,
  'limits.set': settings,
  'limits.get': named,
  'limits.list': checkFields({ prefix: checkShortText, after }),
  'limits.delete': checkFields({ name: checkName, force: checkBoolean }),
  'limits.pause': named,
  'limits.drain': named,
  'limits.resume': named,
  holders: page,
  waiters: page,
  check: checkFields({ lease: checkId, token: checkInteger(0, Number.MAX_SAFE_INTEGER) }),
};

/** A decoded call: after this, `params` are those of the method. */
export function checkCall(method: string, value: unknown): Problem | undefined {
  if (!Object.hasOwn(params, method)) return { field: 'method', reason: `is unknown: ${seen(method)}` };
  return params[method as Method](value, '');
}

/** An object with these fields and no other. `whole`: what it is called where it is no part of another. */
export function checkFields(
  checks: Readonly<Record<string, Check>>,
  presence: 'required' | 'optional' = 'required',
  whole = 'params',
): Check {
  const all = Object.entries(checks);
  return (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { field: field || whole, reason: `must be an object, but was ${seen(value)}` };
    for (const key of Object.keys(value))
      if (!Object.hasOwn(checks, key))
        return { field: within(field, key), reason: `is unknown here; there are ${Object.keys(checks).join(', ')}` };
    for (const [key, check] of all) {
      const part = (value as Readonly<Record<string, unknown>>)[key];
      if (part === undefined && presence === 'optional') continue;
      const problem = check(part, key);
      if (problem) return { ...problem, field: within(field, problem.field) };
    }
    return undefined;
  };
}

function within(whole: string, field: string): string {
  return whole === '' ? field : `${whole}.${field}`;
}

function checkText(max: number): Check {
  return (value, field) => {
    if (typeof value !== 'string') return { field, reason: `must be text, but was ${seen(value)}` };
    if (value.length > max) return { field, reason: `must be ${max} characters at the most, but has ${value.length}` };
    if (value.includes('\0') || !value.isWellFormed())
      return { field, reason: `must be well-formed text without NUL, but was ${seen(value)}` };
    return undefined;
  };
}

function checkInteger(min: number, max: number): Check {
  return (value, field) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : { field, reason: `must be a whole number from ${min} to ${max}, but was ${seen(value)}` };
}

export function checkNumber(min: number, max: number): Check {
  return (value, field) =>
    typeof value === 'number' && value >= min && value <= max
      ? undefined
      : { field, reason: `must be a number from ${min} to ${max}, but was ${seen(value)}` };
}

export function checkBoolean(value: unknown, field: string): Problem | undefined {
  return typeof value === 'boolean' ? undefined : { field, reason: `must be true or false, but was ${seen(value)}` };
}

function orNull(check: Check): Check {
  return (value, field) => (value === null ? undefined : check(value, field));
}
