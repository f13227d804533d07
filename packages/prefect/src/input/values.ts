/** Reads single values as Prefect's own server does: the same texts count as numbers and booleans, and the same faults follow. */
import { allFaults, Faults, fault, type Reader } from './faults.ts';

/** The bounds of a number. `gt` is exclusive, the others are inclusive. */
export interface Bounds {
  readonly gt?: number;
  readonly ge?: number;
  readonly le?: number;
}

export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (input, loc) => {
    if (!Array.isArray(input)) return fault('list_type', 'Input should be a valid list', input, loc);
    const read = input.map((entry, i) => item(entry, [...loc, i]));
    return allFaults(read) ?? (read as T[]);
  };
}

/** A list that `read` takes, if there is something in it. */
export function oneOrMore<T>(read: Reader<T>): Reader<T> {
  return (input, loc) => {
    if (!Array.isArray(input) || input.length > 0) return read(input, loc);
    const ctx = { field_type: 'List', min_length: 1, actual_length: 0 };
    return fault('too_short', 'List should have at least 1 item after validation, not 0', input, loc, ctx);
  };
}

export function oneOf<T extends string>(...texts: readonly T[]): Reader<T> {
  const quoted = texts.map((text) => `'${text}'`);
  const expected = [quoted.slice(0, -1).join(', '), quoted.at(-1)].join(' or ');
  return (input, loc) =>
    texts.find((text) => text === input) ??
    fault('literal_error', `Input should be ${expected}`, input, loc, { expected });
}

/** What a stock server reads as true; `NO` is what it reads as false. */
const YES: readonly unknown[] = [true, 1, '1', 'true', 't', 'yes', 'y', 'on'];
const NO: readonly unknown[] = [false, 0, '0', 'false', 'f', 'no', 'n', 'off'];

export const boolean: Reader<boolean> = (input, loc) => {
  const word = typeof input === 'string' ? input.toLowerCase() : input;
  if (YES.includes(word)) return true;
  if (NO.includes(word)) return false;
  return typeof input === 'string' || Number.isInteger(input)
    ? fault('bool_parsing', 'Input should be a valid boolean, unable to interpret input', input, loc)
    : fault('bool_type', 'Input should be a valid boolean', input, loc);
};

/** A whole number, also as text. */
export function integer(bounds: Bounds = {}): Reader<number> {
  return bounded(toInteger, bounds);
}

/** A number, also as text. */
export function number(bounds: Bounds = {}): Reader<number> {
  return bounded(toNumber, bounds);
}

function bounded(read: Reader<number>, { gt, ge, le }: Bounds): Reader<number> {
  return (input, loc) => {
    const value = read(input, loc);
    if (value instanceof Faults) return value;
    // Written as a negation, so that NaN, which is within no bounds, is refused.
    if (le !== undefined && !(value <= le)) {
      return fault('less_than_equal', `Input should be less than or equal to ${le}`, input, loc, { le });
    }
    if (ge !== undefined && !(value >= ge)) {
      return fault('greater_than_equal', `Input should be greater than or equal to ${ge}`, input, loc, { ge });
    }
    if (gt !== undefined && !(value > gt)) {
      return fault('greater_than', `Input should be greater than ${gt}`, input, loc, { gt });
    }
    return value;
  };
}

/** A whole number as Python reads it: a sign, underscores between digits and a fraction of zeros are allowed. */
const WHOLE_NUMBER = /^[+-]?\d+(?:_\d+)*(?:\.0+)?$/;

const toInteger: Reader<number> = (input, loc) => {
  if (typeof input === 'string') {
    const text = input.trim();
    if (WHOLE_NUMBER.test(text)) return Number(text.replaceAll('_', ''));
    const msg = 'Input should be a valid integer, unable to parse string as an integer';
    return fault('int_parsing', msg, input, loc);
  }
  if (typeof input === 'boolean') return Number(input);
  if (typeof input !== 'number') return fault('int_type', 'Input should be a valid integer', input, loc);
  // JSON.parse reads a number beyond the range of a double as infinite.
  if (!Number.isFinite(input)) return fault('finite_number', 'Input should be a finite number', input, loc);
  if (Number.isInteger(input)) return input;
  const msg = 'Input should be a valid integer, got a number with a fractional part';
  return fault('int_from_float', msg, input, loc);
};

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const UNDERSCORE_MISPLACED = /^[\s_]|__|[\s_]$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan$/i;

const toNumber: Reader<number> = (input, loc) => {
  if (typeof input === 'number') return input;
  if (typeof input === 'boolean') return Number(input);
  if (typeof input !== 'string') return fault('float_type', 'Input should be a valid number', input, loc);
  const text = UNDERSCORE_MISPLACED.test(input) ? input.trim() : input.replaceAll('_', '');
  if (DECIMAL.test(text)) return Number(text);
  if (NOT_A_NUMBER.test(text)) return Number.NaN;
  const infinite = INFINITE.exec(text);
  if (infinite) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const msg = 'Input should be a valid number, unable to parse string as a number';
  return fault('float_parsing', msg, input, loc);
};
