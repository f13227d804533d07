/** Texts, numbers, and words from a list. */
import { type Field, leaf } from './field.ts';
import { Malformed, seen } from './problem.ts';

const isText = (value: unknown): value is string => typeof value === 'string';

/** Well-formed text without NUL, so that it can be stored and sent everywhere. */
export function text(max: number): Field<string> {
  const problem = (value: string): string | undefined => {
    if (value.length > max) return `must be ${max} characters at the most, but has ${value.length}`;
    if (value.includes('\0') || !value.isWellFormed())
      return `must be well-formed text without NUL, but was ${seen(value)}`;
    return undefined;
  };
  return leaf('text', isText, { type: 'string', maxLength: max, pattern: '^[^\\u0000]*$' }, problem, 'string');
}

/** Any text at all: our own other end sent it. */
export const anyText = leaf('text', isText, { type: 'string' }, undefined, 'string');

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const uuid = leaf(
  'a UUID in lower case',
  isText,
  { type: 'string', pattern: UUID.source },
  (value) => (UUID.test(value) ? undefined : `must be a UUID in lower case, but was ${seen(value)}`),
  'string',
);

const isNumber = (value: unknown): value is number => Number.isFinite(value);

/** A whole number. JSON has only one kind of number, so a row may have any, and the check refuses fractions. */
export function integer(min: number, max: number): Field<number> {
  const kind = `a whole number from ${min} to ${max}`;
  return leaf(
    kind,
    isNumber,
    { type: 'integer', minimum: min, maximum: max },
    (value) =>
      Number.isInteger(value) && value >= min && value <= max ? undefined : `must be ${kind}, but was ${seen(value)}`,
    'number',
  );
}

/** A position, a token, a number given in turn. A program made it, so a row with a fraction cannot be read. */
export const count = leaf(
  'a whole number, 0 or more',
  (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
  { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
);

/** A number that may have a fraction. */
export function number(min: number, max: number): Field<number> {
  const kind = `a number from ${min} to ${max}`;
  return leaf(
    kind,
    isNumber,
    { type: 'number', minimum: min, maximum: max },
    (value) => (value >= min && value <= max ? undefined : `must be ${kind}, but was ${seen(value)}`),
    'number',
  );
}

/** The last moment that a `Date` knows, in milliseconds since 1970. */
export const TIME_MAX_MS = 8.64e15;

/** A moment, or a span of time. */
export const milliseconds = number(-TIME_MAX_MS, TIME_MAX_MS);

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';

export const boolean = leaf('true or false', isBoolean, { type: 'boolean' }, undefined, 'boolean');

export function oneOf<const W extends string>(...words: readonly W[]): Field<W> {
  const all = words.map((word) => `'${word}'`);
  const kind = [all.slice(0, -1).join(', '), all.at(-1)].filter(Boolean).join(' or ');
  return leaf(kind, (value): value is W => words.includes(value as W), { enum: words });
}

/** The word that says what kind of row it is. It is shorter in rows than in objects. */
export function tag<const W extends string>(inRows: string, word: W): Field<W> {
  const isWord = (value: unknown): value is W => value === word;
  return {
    ...leaf(`'${word}'`, isWord, { const: word }),
    read: (value) => {
      if (value === inRows) return word;
      throw new Malformed('', `must be '${inRows}', but was ${seen(value)}`);
    },
    isPlain: false,
    write: () => inRows,
  };
}

/** Any JSON value: its receiver checks it. */
export const anything: Field<unknown> = {
  read: (value) => value,
  write: undefined,
  check: () => undefined,
  schema: {},
};

/** An object whose fields its receiver checks. */
export const record = leaf(
  'an object',
  (value): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value),
  { type: 'object' },
);
