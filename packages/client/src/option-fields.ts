/** The fields that only options have, and the check of a call's options. */
import { checkedBy, type Field, type Fields, number, type Problem, partial, seen, shape } from '@slotkeeper/shape';

/** Checks the options of a call: these fields and no other. Undefined counts as left out; null is a value like any other. */
export function optionsCheck<T>(fields: Fields<T>): (options: unknown) => Problem | undefined {
  const { check } = shape(partial(fields), { whole: 'options' });
  return (options) => check(options, '');
}

const SECONDS_MAX = 2 ** 31 - 1;
export const seconds = number(0, SECONDS_MAX);

export const timeoutSeconds: Field<number> = {
  ...seconds,
  check: (value, field) =>
    seconds.check(value, field) && {
      field,
      reason: `must be a number from 0 to ${SECONDS_MAX} (left out: wait for ever), but was ${seen(value)}`,
    },
};

export const signal: Field<AbortSignal> = checkedBy((value, field) =>
  typeof value === 'object' && value !== null && 'aborted' in value
    ? undefined
    : { field, reason: `must be an AbortSignal, but was ${seen(value)}` },
);

/** A callback. */
// biome-ignore lint/suspicious/noExplicitAny: of its parameters nothing can be checked.
export const callback: Field<(...args: any[]) => any> = checkedBy((value, field) =>
  typeof value === 'function' ? undefined : { field, reason: `must be a function, but was ${seen(value)}` },
);

/** An option that this call does not accept. */
export function leftOut(reason: string): Field<never> {
  return checkedBy((_, field) => ({ field, reason: `must be left out of ${reason}` }));
}
