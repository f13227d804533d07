/**
 * One kind of field: how a value of it is read, written, checked and described.
 *
 * Reading and checking are two levels. `read` looks at the JSON type alone: a row whose types are wrong is not of this
 * protocol, or damaged. `check` looks at what the value says: a range, a length, a pattern. One bad request is refused,
 * a bad row ends its connection.
 */
import { Malformed, type Problem, seen } from './problem.ts';

/** A JSON Schema (draft 2020-12). */
export type Schema = { readonly [keyword: string]: unknown };

/** What is wrong with the value of `field`; undefined if nothing is. */
export type Check = (value: unknown, field: string) => Problem | undefined;

export interface Field<T> {
  /** The value as a row has it. Throws `Malformed`. */
  readonly read: (value: unknown) => T;
  /** The value as a row has it; undefined: as it is. */
  readonly write: ((value: T) => unknown) | undefined;
  readonly check: Check;
  /** The check of a value that `read` returned, if that is simpler. */
  readonly checkRead?: ((value: T, field: string) => Problem | undefined) | undefined;
  readonly schema: Schema;
  /** What `read` returns is the very value that the row has. */
  readonly isPlain?: boolean;
  /** Every value of this type is read as it is, so `read` need not be called; every finite one of numbers. */
  readonly readsAll?: 'string' | 'number' | 'boolean' | undefined;
  /** Null is read as it is. */
  readonly isNullable?: true;
  /** In place of the value where a row ends before it; undefined: the row must have it. */
  readonly missing?: { readonly value: T };
  /** No row has it: what is read has `missing`. Such fields are the last ones of their shape. */
  readonly isLocal?: true;
  /** An object may be without it. */
  readonly isOptional?: true;
  /** A shape whose fields a row has as its own, in place of a list of them. */
  readonly inline?: { readonly fields: object };
}

/**
 * A value that stands in a row as it is.
 *
 * @param kind what it must be: reads on from "must be"
 * @param problem what else is wrong with one of that type
 */
export function leaf<T>(
  kind: string,
  is: (value: unknown) => value is T,
  schema: Schema,
  problem?: (value: T) => string | undefined,
  readsAll?: 'string' | 'number' | 'boolean',
): Field<T> {
  return {
    read: (value) => {
      if (is(value)) return value;
      throw new Malformed('', `must be ${kind}, but was ${seen(value)}`);
    },
    isPlain: true,
    readsAll,
    write: undefined,
    check: (value, field) => {
      if (!is(value)) return { field, reason: `must be ${kind}, but was ${seen(value)}` };
      const reason = problem?.(value);
      return reason === undefined ? undefined : { field, reason };
    },
    schema,
  };
}

/** Whether a field with that `readsAll` reads the value as it is. */
export function isReadAsItIs(value: unknown, readsAll: Field<unknown>['readsAll']): boolean {
  const type = typeof value;
  return type === readsAll && (type !== 'number' || Number.isFinite(value));
}
