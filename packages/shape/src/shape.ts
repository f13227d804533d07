/**
 * A shape: one table of fields, from which come its rows (on the wire, in the journal), the check of an object that
 * a user gives, and its JSON Schema.
 *
 * A row is a list of the fields' values in the order of the table. A field is only ever added at the end, with a default:
 * a reader ignores what follows the fields that it knows, and a row that ends early has the defaults of the rest. So rows of
 * an earlier and of a later version can be read alike.
 */
import { optional } from './composites.ts';
import { type Check, type Field, isReadAsItIs, type Schema } from './field.ts';
import { Malformed, type Problem, seen, within } from './problem.ts';

export type Fields<T> = { readonly [K in keyof T]-?: Field<Exclude<T[K], undefined>> };

export interface Shape<T> {
  readonly fields: Fields<T>;
  /** The least number of fields of a row. */
  readonly required: number;
  /** The number of fields that this version knows, for a reader that accepts no others. */
  readonly most: number;
  toRow(value: T): unknown[];
  /** Reads a row, parts of which become parts of the value. Throws `Malformed`. */
  fromRow(row: unknown[]): T;
  /** Checks an object with these fields and no others. */
  readonly check: Check;
  /** Checks a value that came from a row, so that its fields are there. */
  checkRead(value: T): Problem | undefined;
  /** The schema of such an object. */
  readonly schema: Schema;
}

/**
 * The table written out as code, for a shape on the way of every acquire. Properties whose names are in the source are read and
 * written several times as fast as by names from a table. Tests compare each with its table.
 */
export interface Unrolled<T> {
  /** The values of a row in order: all fields that are not local, and for an inline shape its fields. */
  values(value: T): unknown[];
  /** The object with these values. */
  // biome-ignore lint/suspicious/noExplicitAny: the table says the types, and has read the values by then.
  object(values: readonly any[]): T;
}

export interface ShapeOptions<T> {
  readonly unrolled?: Unrolled<T>;
  /** The name of the object in problems, if it is no field of another object. */
  readonly whole?: string;
}

export function shape<T>(fields: Fields<T>, { unrolled, whole = 'params' }: ShapeOptions<T> = {}): Shape<T> {
  const columns = columnsOf(fields);
  const rolled = unrolled ?? byName<T>(columns);
  return {
    fields,
    ...rows(columns, rolled),
    checkRead: checkRead(columns, rolled),
    check: checkObject(fields, whole),
    schema: schemaOf(fields),
  };
}

/** The shape as a row within a row. */
export function row<T>({ toRow, fromRow, check, checkRead, schema }: Shape<T>): Field<T> {
  return {
    read: (value) => {
      if (Array.isArray(value)) return fromRow(value);
      throw new Malformed('', `must be a list, but was ${seen(value)}`);
    },
    write: toRow,
    check,
    checkRead: (value, field) => {
      const problem = checkRead(value);
      return problem && { ...problem, field: within(field, problem.field) };
    },
    schema,
  };
}

/** The shape's fields as the last ones of the row that it is in. */
export function inline<T>(whole: Shape<T>): Field<T> {
  return { ...row(whole), inline: whole };
}

/**
 * The shape as an object within a row. No field of an object is ignored: `check` refuses one that it does not know. Until it is
 * checked, it is any object.
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

/** One value of a row. */
interface Column {
  readonly name: string;
  readonly field: Field<unknown>;
  /** The field of the value that it belongs to, if that is an inline shape. */
  readonly of: string | undefined;
}

function columnsOf(fields: object): Column[] {
  return (Object.entries(fields) as [string, Field<unknown>][]).flatMap(([name, field]): Column[] => {
    if (!field.inline) return [{ name, field, of: undefined }];
    return columnsOf(field.inline.fields).map((column) => ({ ...column, of: name }));
  });
}

function byName<T>(columns: readonly Column[]): Unrolled<T> {
  const sent = columns.filter(({ field }) => !field.isLocal);
  return {
    values: (value) => {
      const whole = value as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
      return sent.map(({ name, of }) => (of === undefined ? whole : whole[of]!)[name]);
    },
    object: (values) => {
      const whole: Record<string, Record<string, unknown>> = {};
      for (const [i, { name, of }] of columns.entries()) {
        if (of !== undefined) whole[of] ??= {};
        (of === undefined ? (whole as Record<string, unknown>) : whole[of]!)[name] = values[i];
      }
      return whole as T;
    },
  };
}

function rows<T>(
  columns: readonly Column[],
  { values, object: made }: Unrolled<T>,
): Pick<Shape<T>, 'required' | 'most' | 'toRow' | 'fromRow'> {
  const fields = columns.map(({ field }) => field);
  const reads = fields.map(({ read }) => read);
  const types = fields.map(({ readsAll }) => readsAll);
  const nullables = fields.map(({ isNullable = false }) => isNullable);
  const sent = fields.filter(({ isLocal }) => !isLocal).length;
  const defaults = fields.map(({ missing }) => missing);
  const required = defaults.lastIndexOf(undefined) + 1;
  const writes = fields.map(({ write }) => write);
  const written = writes.flatMap((write, at) => (write ? [at] : []));

  const take = (row: unknown[]): unknown[] => {
    if (row.length < required) throw new Malformed('', `must have ${required} fields or more, but has ${row.length}`);
    const end = Math.min(row.length, sent);
    let at = 0;
    try {
      for (; at < end; at += 1) {
        const value = row[at];
        if (value === null ? nullables[at] : isReadAsItIs(value, types[at])) continue;
        row[at] = reads[at]!(value);
      }
    } catch (error) {
      // A field of an inline shape is named alone, since it is this row's own.
      throw error instanceof Malformed ? error.within(columns[at]!.name) : error;
    }
    for (; at < fields.length; at += 1) row[at] = defaults[at]!.value;
    return row;
  };

  return {
    required,
    most: sent,
    toRow: (value) => {
      const row = values(value);
      for (let i = 0; i < written.length; i += 1) {
        const at = written[i]!;
        row[at] = writes[at]!(row[at]);
      }
      while (row.length > required && row[row.length - 1] === defaults[row.length - 1]!.value) row.pop();
      return row;
    },
    fromRow: (row) => made(take(row)),
  };
}

function checkRead<T>(columns: readonly Column[], { values }: Unrolled<T>): Shape<T>['checkRead'] {
  const sent = columns.filter(({ field }) => !field.isLocal);
  const names = sent.map(({ name }) => name);
  const checks = sent.map(({ field }) => field.checkRead ?? field.check);
  return (value) => {
    const all = values(value);
    for (let at = 0; at < checks.length; at += 1) {
      const problem = checks[at]!(all[at], names[at]!);
      if (problem) return problem;
    }
    return undefined;
  };
}

function checkObject(fields: object, whole: string): Check {
  const all = Object.entries(fields) as [string, Field<unknown>][];
  const told = all.filter(([, { isLocal }]) => !isLocal).map(([name]) => name);
  return (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { field: field || whole, reason: `must be an object, but was ${seen(value)}` };
    for (const name of Object.keys(value))
      if (!Object.hasOwn(fields, name))
        return { field: within(field, name), reason: `is unknown here; there are ${told.join(', ')}` };
    for (const [name, { isOptional, check }] of all) {
      const part = (value as Readonly<Record<string, unknown>>)[name];
      if (part === undefined && isOptional) continue;
      // Names are joined only for a fault, since each acquire passes here.
      const problem = check(part, name);
      if (problem) return { ...problem, field: within(field, problem.field) };
    }
    return undefined;
  };
}

function schemaOf(fields: object): Schema {
  const given = (Object.entries(fields) as [string, Field<unknown>][]).filter(([, { isLocal }]) => !isLocal);
  return {
    type: 'object',
    properties: Object.fromEntries(given.map(([name, { schema }]) => [name, schema])),
    required: given.filter(([, { isOptional }]) => !isOptional).map(([name]) => name),
    additionalProperties: false,
  };
}
