/** Reads bodies that are objects: which fields are required, the defaults of the others, and whether unknown fields are allowed. */
import { type Body, echo } from './body.ts';
import { allFaults, Faults, fault, invalidRequest, type Location, missing, type Reader } from './faults.ts';

/** A field of an object: required, or with a default. */
export interface Field<T> {
  readonly read: Reader<T>;
  readonly otherwise?: T;
}

type Shape = Readonly<Record<string, Field<unknown>>>;
export type Fields<S extends Shape> = { readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never };

/** Returns the value, or throws a `PrefectError` that lists what is wrong. */
export function orInvalid<T>(read: T | Faults, body: Body): T {
  if (read instanceof Faults) throw invalidRequest(read.list, echo(body));
  return read;
}

/** Joins what was read from two places of a request: both values, or the faults of both. */
export function together<A, B>(a: A | Faults, b: B | Faults): readonly [A, B] | Faults {
  if (!(a instanceof Faults) && !(b instanceof Faults)) return [a, b];
  return allFaults([a, b]) as Faults;
}

/** A body that is one object with these fields and no others. A field that is `null` counts as given. */
export function model<S extends Shape>(shape: S): (body: Body) => Fields<S> | Faults {
  const read = object(shape);
  return (body) => {
    const input = echo(body);
    if (input === null) return missing(['body'], null);
    return body.is === 'text' ? noObject(input, ['body']) : read(input, ['body']);
  };
}

/** An object with these fields and no others. */
export function object<S extends Shape>(shape: S): Reader<Fields<S>> {
  return (input, loc) => {
    if (!isObject(input)) return noObject(input, loc);
    const read = Object.entries(shape).map(([name, field]) => {
      if (Object.hasOwn(input, name)) return field.read(input[name], [...loc, name]);
      return 'otherwise' in field ? field.otherwise : missing([...loc, name], input);
    });
    const extra = Object.keys(input)
      .filter((name) => !Object.hasOwn(shape, name))
      .map((name) => fault('extra_forbidden', 'Extra inputs are not permitted', input[name], [...loc, name]));
    return allFaults([...read, ...extra]) ?? toFields(shape, read);
  };
}

/**
 * A body whose fields a stock server reads as separate arguments: it ignores unknown fields, and takes `null` for the default
 * where there is one.
 */
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

function noObject(input: unknown, loc: Location): Faults {
  const msg = 'Input should be a valid dictionary or object to extract fields from';
  return fault('model_attributes_type', msg, input, loc);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
