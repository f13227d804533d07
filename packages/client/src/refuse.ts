/** What is not allowed is refused before anything is sent. */
import { invalidRequest, type Problem } from '@slotkeeper/protocol';
import { errorOf } from './errors.ts';

/** Throws the problem, if there is one. */
export function refuse(problem: Problem | undefined): void {
  if (problem) throw errorOf(invalidRequest(problem));
}

export function refuseUnknown(given: object, known: readonly string[], field: string): void {
  if (typeof given !== 'object' || given === null)
    refuse({ field, reason: `must be an object, but was ${String(given)}` });
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined)
    refuse({ field: unknown, reason: `is unknown in ${field}; there are ${known.join(', ')}` });
}
