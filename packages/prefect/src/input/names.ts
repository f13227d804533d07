/** Names of limits and tags, and lists of them. */
import { LIMITS_MAX, TEXT_MAX } from '@slotkeeper/protocol';
import { limitName } from '../tag-limits/tag-limit.ts';
import { Faults, fault, type Reader } from './faults.ts';
import { list } from './values.ts';

const BANNED = /[/%&><]/;
const PATTERN = '^[^/%&><]+$';

/** Of a limit that may be there or not: it may be empty, which no limit's name is. */
const name = text(TEXT_MAX);

/** A tag is checked as the limit that it names. It may be empty, since that name is not. */
export const readTag = text(TEXT_MAX - limitName('').length);

export const readName: Reader<string> = (input, loc) => (input === '' ? noMatch(input, loc) : name(input, loc));

/** One that is given twice counts once. */
export const readNames = distinct(name);
export const readTags = distinct(readTag);

function text(lengthMax: number): Reader<string> {
  return (input, loc) => {
    if (typeof input !== 'string') return fault('string_type', 'Input should be a valid string', input, loc);
    if (!input.isWellFormed()) {
      const msg = 'Input should be a valid string, unable to parse raw data as a unicode string';
      return fault('string_unicode', msg, input, loc);
    }
    if (input.length > lengthMax) {
      const msg = `String should have at most ${lengthMax} characters`;
      return fault('string_too_long', msg, input, loc, { max_length: lengthMax });
    }
    if (BANNED.test(input)) return noMatch(input, loc);
    if (input.includes('\0')) {
      return fault('value_error', 'Value error, a name must not contain NUL (U+0000)', input, loc, { error: {} });
    }
    return input;
  };
}

function noMatch(...[input, loc]: Parameters<Reader<string>>): Faults {
  const msg = `String should match pattern '${PATTERN}'`;
  return fault('string_pattern_mismatch', msg, input, loc, { pattern: PATTERN });
}

function distinct(item: Reader<string>): Reader<readonly string[]> {
  return (input, loc) => {
    const read = list(item)(input, loc);
    if (read instanceof Faults) return read;
    const distinct = [...new Set(read)];
    if (distinct.length <= LIMITS_MAX) return distinct;
    const msg = `List should have at most ${LIMITS_MAX} items after validation, not ${distinct.length}`;
    const ctx = { field_type: 'List', max_length: LIMITS_MAX, actual_length: distinct.length };
    return fault('too_long', msg, input, loc, ctx);
  };
}
