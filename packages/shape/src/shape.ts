/**
 * A shape: one table of fields, from which come its rows (on the wire, in the journal), the check of an object that
 * a user gives, and its JSON Schema.
 *
 * A row is a list of the fields' values in the order of the table. A field is only ever added at the end, with a default:
 * a reader ignores what follows the fields that it knows, and a row that ends early has the defaults of the rest. So rows of
 * an earlier and of a later version can be read alike.
 */
import { optional } from './composites.ts';
import type { Check, Field, Schema } from './field.ts';
import { Malformed, type Problem, seen, within } from './problem.ts';

export type Fields<T> = { readonly [K in keyof T]-?: Field<Exclude<T[K], undefined>> };

export interface Shape<T> {
  readonly fields: Fields<T>;
  /** So many fields a row has at the least. */
  readonly required: number;
  toRow(value: T): unknown[];
  /** Takes the row over: parts of it become parts of the value. Throws `Malformed`. */
  fromRow(row: unknown[]): T;
  /** Of an object with these fields and no other. */
  readonly check: Check;
  /** Of a value that came from a row: its fields are there. */
  checkRead(value: T): Problem | undefined;
  /** Of such an object. */
  readonly schema: Schema;
}

/**
 * The same as the table says, written out for a shape on the way of every acquire. Reading and writing properties by names
 * that are in the source is several times as fast as by names from a table. Tests hold them to their tables.
 */
export interface Unrolled<T> {
  /** The values of the fields that are not local, in the order of the table. */
  values(value: T): unknown[];
  /** The object that has them. */
  // biome-ignore lint/suspicious/noExplicitAny: the table says the types, and has read the values by then.
  object(values: readonly any[]): T;
}

export interface ShapeOptions<T> {
  readonly unrolled?: Unrolled<T>;
  /** What a problem calls an object that is no field of another. */
  readonly whole?: string;
}

export function shape<T>(fields: Fields<T>, { unrolled, whole = 'params' }: ShapeOptions<T> = {}): Shape<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const all = names.map((name) => fields[name] as Field<unknown>);
  const given = names.filter((name) => !fields[name].isLocal);
  const checked = given.map((name) => fields[name] as Field<unknown>);
  return {
    fields,
    ...rows(names, all, unrolled ?? byName(names, given)),
    check: checkObject(names, all, whole),
    checkRead: checkRead(given, checked, unrolled ?? byName(names, given)),
    schema: schemaOf(given, checked),
  };
}

/** The shape as a row within a row. */
export function row<T>({ toRow, fromRow, check, schema }: Shape<T>): Field<T> {
  return {
    read: (value) => {
      if (Array.isArray(value)) return fromRow(value);
      throw new Malformed('', `must be a list, but was ${seen(value)}`);
    },
    write: toRow,
    check,
    schema,
  };
}

/** The shape's fields as the last ones of the row that it is in. */
export function inline<T>(whole: Shape<T>): Field<T> {
  return { ...row(whole), inline: whole };
}

/**
 * The shape as an object within a row. Of an object nothing is ignored: what it asks for is what its fields say, so `check`
 * refuses one that it does not know. Until it is checked, it is any object.
 */
export function object<T>({ check, schema }: Shape<T>): Field<T> {
  return {
    read: (value) => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T;
      throw new Malformed('', `must be an object, but was ${seen(value)}`);
    },
    write: undefined,
    check,
    schema,
  };
}

/** The same fields, each of which an object may be without. */
export function partial<T>(fields: Fields<T>): Fields<{ [K in keyof T]?: T[K] | undefined }> {
  const entries = Object.entries(fields) as [string, Field<unknown>][];
  return Object.fromEntries(entries.map(([name, field]) => [name, optional(field)])) as Fields<{
    [K in keyof T]?: T[K] | undefined;
  }>;
}

function rows<T>(
  names: readonly string[],
  fields: readonly Field<unknown>[],
  { values, object: made }: Unrolled<T>,
): Pick<Shape<T>, 'required' | 'toRow' | 'fromRow'> {
  const reads = fields.map(({ read }) => read);
  const types = fields.map(({ readsAll }) => readsAll);
  const nullables = fields.map(({ isNullable = false }) => isNullable);
  const last = fields.at(-1)?.inline;
  /** Fields of this row that are not the inline shape's. */
  const own = last ? fields.length - 1 : fields.length;
  const sent = fields.filter(({ isLocal }) => !isLocal).length;
  const defaults = fields.slice(0, own).map(({ missing }) => missing);
  const required = last ? own + last.required : defaults.lastIndexOf(undefined) + 1;
  const written = fields.flatMap(({ write }, at) => (write && at < own ? [{ at, write }] : []));

  const take = (row: unknown[]): unknown[] => {
    if (row.length < required) throw new Malformed('', `must have ${required} fields or more, but has ${row.length}`);
    const end = Math.min(row.length, own, sent);
    let at = 0;
    try {
      for (; at < end; at += 1) {
        const value = row[at];
        if (value === null ? nullables[at] : typeof value === types[at]) continue;
        row[at] = reads[at]!(value);
      }
    } catch (error) {
      throw error instanceof Malformed ? error.within(names[at] as string) : error;
    }
    for (; at < own; at += 1) row[at] = defaults[at]!.value;
    // What is wrong in there is told by its name alone: its fields are this row's own.
    if (last) row[own] = last.fromRow(row.slice(own));
    return row;
  };

  return {
    required,
    toRow: (value) => {
      const row = values(value);
      for (const { at, write } of written) row[at] = write(row[at]);
      if (last) return [...row.slice(0, own), ...last.toRow(row[own])];
      while (row.length > required && row.at(-1) === defaults[row.length - 1]!.value) row.pop();
      return row;
    },
    fromRow: (row) => made(take(row)),
  };
}

function byName<T>(names: readonly (keyof T & string)[], sent: readonly (keyof T & string)[]): Unrolled<T> {
  return {
    values: (value) => sent.map((name) => value[name]),
    object: (values) => Object.fromEntries(names.map((name, i) => [name, values[i]])) as T,
  };
}

function checkRead<T>(
  names: readonly string[],
  fields: readonly Field<unknown>[],
  { values }: Unrolled<T>,
): Shape<T>['checkRead'] {
  const checks = fields.map(({ check }) => check);
  return (value) => {
    const all = values(value);
    for (let at = 0; at < checks.length; at += 1) {
      const problem = checks[at]!(all[at], names[at] as string);
      if (problem) return problem;
    }
    return undefined;
  };
}

function checkObject(names: readonly string[], fields: readonly Field<unknown>[], whole: string): Check {
  const known = new Set(names);
  return (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { field: field || whole, reason: `must be an object, but was ${seen(value)}` };
    for (const name of Object.keys(value))
      if (!known.has(name))
        return { field: within(field, name), reason: `is unknown here; there are ${names.join(', ')}` };
    for (const [i, name] of names.entries()) {
      const { isOptional, check } = fields[i]!;
      const part = (value as Readonly<Record<string, unknown>>)[name];
      if (part === undefined && isOptional) continue;
      // No name is joined but of what is wrong: each acquire comes by here.
      const problem = check(part, name);
      if (problem) return { ...problem, field: within(field, problem.field) };
    }
    return undefined;
  };
}

function schemaOf(names: readonly string[], fields: readonly Field<unknown>[]): Schema {
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name, i) => [name, fields[i]!.schema])),
    required: names.filter((_, i) => !fields[i]!.isOptional),
    additionalProperties: false,
  };
}
