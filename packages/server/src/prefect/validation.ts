/**
 * Reading untyped input as Prefect's own server does: what it takes for a number, and how it lists what is wrong. The
 * types, messages and contexts of the faults are pydantic's, which clients and people know.
 */
import { PrefectError } from './answers.ts';
import { type Body, echo } from './body.ts';

export type Location = readonly (string | number)[];

export interface Fault {
  readonly type: string;
  readonly loc: Location;
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** What is wrong with an input; a class of its own, so that it is told apart from any value. */
export class Faults {
  readonly list: readonly Fault[];
  constructor(list: readonly Fault[]) {
    this.list = list;
  }
}

/** Reads one input, which stands at `loc`. */
export type Reader<T> = (input: unknown, loc: Location) => T | Faults;

/** A field of an object: needed, or with what `null` or its absence stands for. */
export interface Field<T> {
  readonly read: Reader<T>;
  readonly otherwise?: T;
}

type Shape = Readonly<Record<string, Field<unknown>>>;
export type Fields<S extends Shape> = { readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never };

export function invalidRequest(faults: readonly Fault[], requestBody: unknown): PrefectError {
  return new PrefectError(422, {
    exception_message: 'Invalid request received.',
    exception_detail: faults,
    request_body: requestBody,
  });
}

export function fault(type: string, msg: string, input: unknown, loc: Location, ctx?: Fault['ctx']): Faults {
  return new Faults([{ type, loc, msg, input, ...(ctx && { ctx }) }]);
}

/** The value, or throws a `PrefectError` that lists what is wrong. */
export function orInvalid<T>(read: T | Faults, body: Body): T {
  if (read instanceof Faults) throw invalidRequest(read.list, echo(body));
  return read;
}

// Bodies

/** A body that is one object, with no other fields than these. */
export function model<S extends Shape>(shape: S): (body: Body) => Fields<S> | Faults {
  return (body) => {
    const input = echo(body);
    if (input === null) return missing(['body'], null);
    if (body.is === 'text' || !isObject(input)) {
      const msg = 'Input should be a valid dictionary or object to extract fields from';
      return fault('model_attributes_type', msg, input, ['body']);
    }
    const read = Object.entries(shape).map(([name, { read }]) =>
      Object.hasOwn(input, name) ? read(input[name], ['body', name]) : missing(['body', name], input),
    );
    const extra = Object.keys(input)
      .filter((name) => !Object.hasOwn(shape, name))
      .map((name) => fault('extra_forbidden', 'Extra inputs are not permitted', input[name], ['body', name]));
    const faults = allFaults([...read, ...extra]);
    return faults ?? toFields(shape, read);
  };
}

/** A body whose fields are arguments of their own: others are ignored, and `null` stands for the default where there is one. */
export function fields<S extends Shape>(shape: S): (body: Body) => Fields<S> | Faults {
  return (body) => {
    const value = body.is === 'json' ? body.value : null;
    const isNoObject = value !== null && !isObject(value);
    const read = Object.entries(shape).map(([name, field]) => {
      const loc = ['body', name];
      const input = isObject(value) && Object.hasOwn(value, name) ? value[name] : null;
      if (input !== null) return field.read(input, loc);
      return isNoObject || !('otherwise' in field) ? missing(loc, null) : field.otherwise;
    });
    return allFaults(read) ?? toFields(shape, read);
  };
}

function toFields<S extends Shape>(shape: S, read: readonly unknown[]): Fields<S> {
  return Object.fromEntries(Object.keys(shape).map((name, i) => [name, read[i]])) as Fields<S>;
}

export function missing(loc: Location, input: unknown): Faults {
  return fault('missing', 'Field required', input, loc);
}

function allFaults(read: readonly unknown[]): Faults | undefined {
  const faults = read.filter((part) => part instanceof Faults);
  return faults.length === 0 ? undefined : new Faults(faults.flatMap(({ list }) => list));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// Values

export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (input, loc) => {
    if (!Array.isArray(input)) return fault('list_type', 'Input should be a valid list', input, loc);
    const read = input.map((entry, i) => item(entry, [...loc, i]));
    return allFaults(read) ?? (read as T[]);
  };
}

const WHOLE_NUMBER = /^[+-]?\d+(?:_\d+)*(?:\.0+)?$/;

/** A whole number, also as text, as a float without a fraction, or as a boolean. Bounds are inclusive. */
export function integer({ ge, le }: { readonly ge?: number; readonly le?: number } = {}): Reader<number> {
  return (input, loc) => {
    const number = toInteger(input, loc);
    if (number instanceof Faults) return number;
    if (ge !== undefined && number < ge) {
      return fault('greater_than_equal', `Input should be greater than or equal to ${ge}`, input, loc, { ge });
    }
    if (le !== undefined && number > le) {
      return fault('less_than_equal', `Input should be less than or equal to ${le}`, input, loc, { le });
    }
    return number;
  };
}

function toInteger(input: unknown, loc: Location): number | Faults {
  if (typeof input === 'boolean') return Number(input);
  if (typeof input === 'string') {
    const text = input.trim();
    if (WHOLE_NUMBER.test(text)) return Number(text.replaceAll('_', ''));
    const msg = 'Input should be a valid integer, unable to parse string as an integer';
    return fault('int_parsing', msg, input, loc);
  }
  if (typeof input !== 'number') return fault('int_type', 'Input should be a valid integer', input, loc);
  // JSON.parse takes numbers beyond a double for infinite.
  if (!Number.isFinite(input)) return fault('finite_number', 'Input should be a finite number', input, loc);
  if (Number.isInteger(input)) return input;
  const msg = 'Input should be a valid integer, got a number with a fractional part';
  return fault('int_from_float', msg, input, loc);
}
