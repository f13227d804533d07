/**
 * Names of limits and tags. A name is checked where a limit is created, renamed or addressed. A caller of
 * an increment or a decrement names all that it has, such as all tags of a task. So there a name that no limit can have is no
 * fault: it is ignored like any other name without a limit.
 */
import { TEXT_MAX } from '@slotkeeper/protocol';
import { limitName } from '../tag-limits/tag-limit.ts';
import { Faults, fault, type Reader } from './faults.ts';
import { list } from './values.ts';

const BANNED = /[/%&><]/;
const PATTERN = '^[^/%&><]+$';

/** A tag is checked as a part of its limit's name, `tag:T`. It may be empty: that name is not. */
export const readTag = text(TEXT_MAX - limitName('').length);

const readText = text(TEXT_MAX);
export const readName: Reader<string> = (input, loc) => (input === '' ? noMatch(input, loc) : readText(input, loc));

export const readNames = possible(readName);
export const readTags = possible(readTag);

function text(lengthMax: number): Reader<string> {
  return (input, loc) => {
    const given = readString(input, loc);
    if (given instanceof Faults) return given;
    if (!given.isWellFormed()) {
      const msg = 'Input should be a valid string, unable to parse raw data as a unicode string';
      return fault('string_unicode', msg, input, loc);
    }
    if (given.length > lengthMax) {
      const msg = `String should have at most ${lengthMax} characters`;
      return fault('string_too_long', msg, input, loc, { max_length: lengthMax });
    }
    if (BANNED.test(given)) return noMatch(input, loc);
    if (given.includes('\0')) {
      return fault('value_error', 'Value error, a name must not contain NUL (U+0000)', input, loc, { error: {} });
    }
    return given;
  };
}

function readString(...[input, loc]: Parameters<Reader<string>>): string | Faults {
  return typeof input === 'string' ? input : fault('string_type', 'Input should be a valid string', input, loc);
}

function noMatch(...[input, loc]: Parameters<Reader<string>>): Faults {
  const msg = `String should match pattern '${PATTERN}'`;
  return fault('string_pattern_mismatch', msg, input, loc, { pattern: PATTERN });
}

/** Reads a list of texts, and keeps the names that a limit can have, each once. */
function possible(name: Reader<string>): Reader<readonly string[]> {
  return (input, loc) => {
    const given = list(readString)(input, loc);
    return given instanceof Faults ? given : [...new Set(given)].filter((text) => !(name(text, []) instanceof Faults));
  };
}
