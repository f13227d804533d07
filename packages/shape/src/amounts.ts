/** How many slots of which limits: pairs of a name and its slots, as the engine's `Amounts`. */
import { list, pair } from './composites.ts';
import type { Field } from './field.ts';
import { shortText, TEXT_MAX } from './holder.ts';
import { type Problem, seen } from './problem.ts';
import { integer } from './scalars.ts';

export const SLOTS_MAX = 2 ** 31 - 1;
/** The most limits that one acquire may name. */
export const LIMITS_MAX = 64;

// Prefect bans these characters in names, and a name is a part of a URL's path.
const NAME_BANS = /[\0/%&><]/;

/** Of a limit. */
export const limitName: Field<string> = {
  ...shortText,
  check: (name, field) => {
    const problem = shortText.check(name, field);
    if (problem) return problem;
    if (name === '') return { field, reason: 'must not be empty' };
    const banned = NAME_BANS.exec(name as string);
    return banned ? { field, reason: `must have none of / % & > <, but was ${seen(name)}` } : undefined;
  },
  schema: { type: 'string', minLength: 1, maxLength: TEXT_MAX, pattern: '^[^\\u0000/%&><]+$' },
};

/** The slots that an acquire takes of one limit. */
export const slotsToTake = integer(1, SLOTS_MAX);

const pairs = list(pair(limitName, slotsToTake));

/** The amounts of an acquire: of distinct limits, all or nothing. */
export const amounts: Field<readonly (readonly [string, number])[]> = {
  ...pairs,
  check: (value, field) => (isPairs(value) ? checkPairs(value, field) : pairs.check(value, field)),
  checkRead: checkPairs,
  schema: { ...pairs.schema, minItems: 1, maxItems: LIMITS_MAX },
};

function checkPairs(value: readonly (readonly [string, number])[], field: string): Problem | undefined {
  if (value.length < 1 || value.length > LIMITS_MAX)
    return { field, reason: `must name 1 to ${LIMITS_MAX} limits, but names ${value.length}` };
  const twice = value.length > 1 ? namedTwice(value) : undefined;
  if (twice !== undefined) return { field, reason: `must name each limit once, but names ${seen(twice)} twice` };
  for (const [name, slots] of value) {
    // A text is made only for a fault, since each acquire passes here.
    const wrongName = limitName.check(name, '');
    if (wrongName) return { ...wrongName, field: `${field}: a limit's name` };
    const wrongSlots = slotsToTake.check(slots, '');
    if (wrongSlots) return { ...wrongSlots, field: `${field}: slots of '${name}'` };
  }
  return undefined;
}

function isPairs(value: unknown): value is readonly (readonly [string, number])[] {
  return Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2);
}

function namedTwice(pairs: readonly (readonly [string, number])[]): string | undefined {
  const names = new Set<string>();
  for (const [name] of pairs) {
    if (names.has(name)) return name;
    names.add(name);
  }
  return undefined;
}
