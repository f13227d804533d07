/** The bodies of `/concurrency_limits`. */
import { LIMITS_MAX, SLOTS_MAX, TEXT_MAX } from '@slotkeeper/protocol';
import { PrefectError } from './answers.ts';
import { limitName } from './tag-limits.ts';
import { uuid } from './uuid.ts';
import { Faults, fault, fields, integer, list, model, type Reader } from './validation.ts';

const TAG_MAX = TEXT_MAX - limitName('').length;
const BANNED_IN_NAMES = /[/%&><]/;

/** A tag is checked as the limit that it names. It may be empty, since that name is not. */
export const readTag: Reader<string> = (input, loc) => {
  if (typeof input !== 'string') return fault('string_type', 'Input should be a valid string', input, loc);
  if (!input.isWellFormed()) {
    const msg = 'Input should be a valid string, unable to parse raw data as a unicode string';
    return fault('string_unicode', msg, input, loc);
  }
  if (input.length > TAG_MAX) {
    const msg = `String should have at most ${TAG_MAX} characters`;
    return fault('string_too_long', msg, input, loc, { max_length: TAG_MAX });
  }
  if (BANNED_IN_NAMES.test(input)) {
    const pattern = '^[^/%&><]+$';
    return fault('string_pattern_mismatch', `String should match pattern '${pattern}'`, input, loc, { pattern });
  }
  if (input.includes('\0')) {
    return fault('value_error', 'Value error, a tag must not contain NUL (U+0000)', input, loc, { error: {} });
  }
  return input;
};

/** A tag given twice counts once. */
const tags: Reader<readonly string[]> = (input, loc) => {
  const read = list(readTag)(input, loc);
  if (read instanceof Faults) return read;
  const distinct = [...new Set(read)];
  if (distinct.length <= LIMITS_MAX) return distinct;
  const msg = `List should have at most ${LIMITS_MAX} items after validation, not ${distinct.length}`;
  const ctx = { field_type: 'List', max_length: LIMITS_MAX, actual_length: distinct.length };
  return fault('too_long', msg, input, loc, ctx);
};

export const readCreate = model({
  tag: { read: readTag },
  concurrency_limit: { read: integer({ ge: 0, le: SLOTS_MAX }) },
});

/** Of an increment and of a decrement. `occupancy_seconds` of the latter is not looked at. */
export const readSlots = fields({
  names: { read: tags },
  task_run_id: { read: uuid },
});

/** How many limits a page has at the most, and unless it is told. */
const PAGE_MAX = 200;

/** Out of bounds it is refused by itself, whatever else is wrong. */
const pageLimit: Reader<number> = (input, loc) => {
  const limit = integer()(input, loc);
  if (limit instanceof Faults) return limit;
  const bound =
    limit < 0 ? 'greater than or equal to 0' : limit > PAGE_MAX ? `less than or equal to ${PAGE_MAX}` : null;
  if (bound) throw new PrefectError(422, { detail: `Invalid limit: must be ${bound}.` });
  return limit;
};

export const readFilter = fields({
  limit: { read: pageLimit, otherwise: PAGE_MAX },
  offset: { read: integer({ ge: 0 }), otherwise: 0 },
});

export const readReset = fields({
  slot_override: { read: list(uuid), otherwise: [] as readonly string[] },
});
