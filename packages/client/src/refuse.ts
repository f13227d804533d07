/** What is not allowed is refused before anything is sent. */
import { type Check, checkFields, checkNumber, invalidRequest, type Problem, seen } from '@slotkeeper/protocol';
import { errorOf } from './errors.ts';

/** Throws the problem, if there is one. */
export function refuse(problem: Problem): never;
export function refuse(problem: Problem | undefined): void;
export function refuse(problem: Problem | undefined): void {
  if (problem) throw errorOf(invalidRequest(problem));
}

/** The options of a call: these fields and no other. Only undefined means that one is not given; null is a value like any other. */
export function checkOptions(checks: Readonly<Record<string, Check>>): (options: unknown) => Problem | undefined {
  const check = checkFields(checks, 'optional', 'options');
  return (options) => check(options, '');
}

const SECONDS_MAX = 2 ** 31 - 1;
export const checkSeconds = checkNumber(0, SECONDS_MAX);

export const checkTimeoutSeconds: Check = (seconds, field) =>
  checkSeconds(seconds, field) && {
    field,
    reason: `must be a number from 0 to ${SECONDS_MAX} (left out: wait for ever), but was ${seen(seconds)}`,
  };

export const checkSignal: Check = (signal, field) =>
  typeof signal === 'object' && signal !== null && 'aborted' in signal
    ? undefined
    : { field, reason: `must be an AbortSignal, but was ${seen(signal)}` };

export const checkFunction: Check = (value, field) =>
  typeof value === 'function' ? undefined : { field, reason: `must be a function, but was ${seen(value)}` };
