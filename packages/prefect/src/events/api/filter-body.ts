/** Reads a filter for events as Prefect's server does. */

import { instant } from '../../api/timestamps.ts';
import { type Field, isObject, object } from '../../input/bodies.ts';
import { Faults, fault, type Reader } from '../../input/faults.ts';
import { uuid } from '../../input/uuid.ts';
import { boolean, list, oneOf } from '../../input/values.ts';
import type { EventFilter, Labels, RelatedConditions } from '../store/event-filter.ts';
import { isGlob } from '../store/glob.ts';
import { parseTextQuery, type TextQuery } from '../store/text-query.ts';
import { noDictionary, notAsItShould, readText } from './event-body.ts';
import { readInstant } from './instant-body.ts';

/** How far back a filter looks if it has no `since`. */
const LOOK_BACK_MS = 180 * 24 * 3_600_000;
const QUERY_MAX = 200;
/** The bound on all texts of a filter together: each event is compared with all of them. */
const TEXTS_MAX = 65_536;
/** Of a pattern with `*` or `?`, and of all of a filter: a text as long as an event may be takes so many steps for each 32 characters. */
const PATTERNS_MAX = 1_024;

const texts = list(readText);

const readLabels: Reader<Labels> = (input, loc) => {
  if (!isObject(input)) return noDictionary(input, loc);
  const labels: [string, readonly string[]][] = [];
  for (const [label, patterns] of Object.entries(input)) {
    const read = typeof patterns === 'string' ? [patterns] : texts(patterns, [...loc, label]);
    if (read instanceof Faults) return read;
    labels.push([label, read]);
  }
  return Object.fromEntries(labels);
};

const readQuery: Reader<string> = (input, loc) => {
  const text = readText(input, loc);
  if (text instanceof Faults || text.length <= QUERY_MAX) return text;
  const msg = `String should have at most ${QUERY_MAX} characters`;
  return fault('string_too_long', msg, input, loc, { max_length: QUERY_MAX });
};

/** A pair of an id and a role. */
const readPair: Reader<readonly [string, string]> = (input, loc) => {
  const pair = texts(input, loc);
  if (pair instanceof Faults || pair.length === 2) return pair as readonly [string, string] | Faults;
  return fault('tuple_type', 'Input should be a valid tuple of 2 items', input, loc);
};

/** A field that may be left out. `null` counts as left out. */
function maybe<T>(read: Reader<T>, otherwise: T): Field<T> {
  return { read: (input, loc) => (input === null ? otherwise : read(input, loc)), otherwise };
}

function oneOrMore<T>(read: Reader<T>): Reader<readonly T[]> {
  const all = list(read);
  return (input, loc) => {
    if (Array.isArray(input)) return all(input, loc);
    const one = read(input, loc);
    return one instanceof Faults ? one : [one];
  };
}

const NONE: readonly string[] = [];
const NO_LABELS: Labels = {};
const NO_QUERY: TextQuery = parseTextQuery('');

const ofResource = { id: maybe(texts, NONE), id_prefix: maybe(texts, NONE), labels: maybe(readLabels, NO_LABELS) };

const readOccurred = object({ since: maybe(readInstant, ''), until: maybe(readInstant, '') });
const readNames = object({
  prefix: maybe(texts, NONE),
  exclude_prefix: maybe(texts, NONE),
  name: maybe(texts, NONE),
  exclude_name: maybe(texts, NONE),
});
const readResource = object({ ...ofResource, distinct: maybe(boolean, false) });
const readRelated: Reader<RelatedConditions> = object({
  id: maybe(texts, NONE),
  role: maybe(texts, NONE),
  resources_in_roles: maybe(list(readPair), [] as readonly (readonly [string, string])[]),
  labels: maybe(readLabels, NO_LABELS),
});
const readIds = object({ id: maybe(list(uuid), NONE) });
const readTextFilter = object({ query: { read: readQuery } });

const readConditions = object({
  occurred: maybe(readOccurred, { since: '', until: '' }),
  event: maybe(readNames, { prefix: NONE, exclude_prefix: NONE, name: NONE, exclude_name: NONE }),
  resource: maybe(readResource, { id: NONE, id_prefix: NONE, labels: NO_LABELS, distinct: false }),
  related: maybe(oneOrMore(readRelated), []),
  any_resource: maybe(oneOrMore(object(ofResource)), []),
  id: maybe(readIds, { id: NONE }),
  text: maybe(readTextFilter, { query: '' }),
  order: maybe(oneOf('ASC', 'DESC'), 'DESC' as const),
});

/**
 * @param nowMs the time of the request; a filter without `since` begins 180 days before
 * @param until the end of a filter that has none
 */
export function filterReader(nowMs: number, until = instant(nowMs)): Reader<EventFilter> {
  return (input, loc) => {
    const read = readConditions(input ?? {}, loc);
    if (read instanceof Faults) return read;
    const tooLong = whyTooLong(read);
    if (tooLong) return notAsItShould(tooLong, input, loc);
    const { occurred, id, text, ...others } = read;
    return {
      ...others,
      occurred: { since: occurred.since || instant(nowMs - LOOK_BACK_MS), until: occurred.until || until },
      id: id.id,
      text: text.query === '' ? NO_QUERY : parseTextQuery(text.query),
    };
  };
}

/** The bounds are ours: a stock server compares for as long as it takes. */
function whyTooLong(filter: object): string | undefined {
  let [all, patterns] = [0, 0];
  for (const text of textsIn(filter)) {
    // An empty text costs a comparison, too.
    all += text.length + 1;
    if (isGlob(text)) patterns += text.length;
  }
  if (all > TEXTS_MAX) return `The texts of a filter must have ${TEXTS_MAX} characters at most, all together`;
  return patterns > PATTERNS_MAX
    ? `The patterns of a filter must have ${PATTERNS_MAX} characters at most, all together`
    : undefined;
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    yield key;
    yield* textsIn(part);
  }
}
