/** Fields made of fields. */
import { type Check, type Field, isReadAsItIs } from './field.ts';
import { Malformed, type Problem, seen } from './problem.ts';

export function nullable<T>({
  read,
  write,
  check,
  checkRead,
  schema,
  isPlain = false,
  readsAll,
}: Field<T>): Field<T | null> {
  return {
    isPlain,
    readsAll,
    isNullable: true,
    read: (value) => (value === null ? null : read(value)),
    write: write && ((value) => (value === null ? null : write(value))),
    check: (value, field) => (value === null ? undefined : check(value, field)),
    checkRead: checkRead && ((value, field) => (value === null ? undefined : checkRead(value, field))),
    schema: { anyOf: [schema, { type: 'null' }] },
  };
}

/** A list of any length. */
export function list<T>(item: Field<T>): Field<readonly T[]> {
  const { read, write, check, schema, isPlain = false } = item;
  return {
    isPlain,
    read: (value) => {
      const items = readList(value);
      if (!isPlain) return items.map((item) => read(item));
      for (let i = 0; i < items.length; i += 1) read(items[i]);
      return items as readonly T[];
    },
    write: write && ((items) => items.map(write)),
    check: (value, field) => {
      if (!Array.isArray(value)) return notAList(value, field);
      for (const [i, item] of value.entries()) {
        const problem = check(item, `${field}[${i}]`);
        if (problem) return problem;
      }
      return undefined;
    },
    schema: { type: 'array', items: schema },
  };
}

export function pair<A, B>(a: Field<A>, b: Field<B>): Field<readonly [A, B]> {
  const readA = a.read;
  const readB = b.read;
  const isPair = (value: unknown): value is readonly [unknown, unknown] => Array.isArray(value) && value.length === 2;
  const reason = (value: unknown): string => `must be a list of 2, but was ${seen(value)}`;
  const isPlain = a.isPlain === true && b.isPlain === true;
  return {
    isPlain,
    read: (value) => {
      if (!isPair(value)) throw new Malformed('', reason(value));
      if (isPlain && isReadAsItIs(value[0], a.readsAll) && isReadAsItIs(value[1], b.readsAll))
        return value as readonly [A, B];
      const first = readA(value[0]);
      const second = readB(value[1]);
      return isPlain ? (value as readonly [A, B]) : [first, second];
    },
    write:
      a.write || b.write
        ? ([first, second]) => [a.write ? a.write(first) : first, b.write ? b.write(second) : second]
        : undefined,
    check: (value, field) =>
      isPair(value)
        ? (a.check(value[0], `${field}[0]`) ?? b.check(value[1], `${field}[1]`))
        : { field, reason: reason(value) },
    schema: { type: 'array', prefixItems: [a.schema, b.schema], minItems: 2, maxItems: 2 },
  };
}

/** One of some words, or a value of another field. */
export function wordOr<const W extends string, T>(words: readonly W[], other: Field<T>, kind: string): Field<W | T> {
  const isWord = (value: unknown): value is W => words.includes(value as W);
  return {
    read: (value) => (isWord(value) ? value : other.read(value)),
    write: other.write && ((value) => (isWord(value) ? value : other.write!(value))),
    check: (value, field) => {
      if (isWord(value)) return undefined;
      if (typeof value === 'object') return other.check(value, field);
      const all = words.map((word) => `'${word}'`).join(', ');
      return { field, reason: `must be ${all} or ${kind}, but was ${seen(value)}` };
    },
    schema: { anyOf: [{ enum: words }, other.schema] },
  };
}

/**
 * A row that ends before this field has `value` there. Such fields are the last ones of their shape. A row that would end with
 * them is written without, so that a reader which counts the fields that it knows can read it, too.
 */
export function orDefault<T>(field: Field<T>, value: T): Field<T> {
  return { ...field, missing: { value } };
}

/** A field that one end adds for itself: it is in no row and no schema, and is not checked. An object that is read has `value`. */
export function local<T>(value: T): Field<T> {
  return {
    read: () => value,
    write: undefined,
    check: () => undefined,
    schema: {},
    missing: { value },
    isLocal: true,
  };
}

/** An object may be without it. */
export function optional<T>(field: Field<T>): Field<T> {
  return { ...field, isOptional: true };
}

/** A field of objects alone, such as an option of a call: a value that JSON may not have. */
export function checkedBy<T>(check: Check): Field<T> {
  return { read: (value) => value as T, write: undefined, check, schema: {} };
}

function readList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Malformed('', `must be a list, but was ${seen(value)}`);
}

function notAList(value: unknown, field: string): Problem {
  return { field, reason: `must be a list, but was ${seen(value)}` };
}
