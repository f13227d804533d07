/** How many slots of which limits. */
import type { AcquireRequest } from '@slotkeeper/protocol';
import { amounts as amountsField, seen } from '@slotkeeper/shape';
import { InvalidRequestError } from './errors.ts';
import { refuse } from './refuse.ts';
import type { Limits } from './register.ts';

export type Amounts = AcquireRequest['amounts'];

/** `slots`: how many of each name. Throws `InvalidRequestError`. */
export function readAmounts(limits: Limits, slots: number | undefined): Amounts {
  const amounts = pairs(limits, slots);
  if (amounts.length > 0) refuse(amountsField.check(amounts, 'limits'));
  return amounts;
}

function pairs(limits: unknown, slots: number | undefined): Amounts {
  if (typeof limits === 'string') return [[limits, slots ?? 1]];
  if (Array.isArray(limits)) return limits.map((name) => [name, slots ?? 1]);
  if (isPlain(limits)) {
    if (slots !== undefined)
      refuse({ field: 'slots', reason: 'must be left out where limits is an object of amounts' });
    return Object.entries(limits);
  }
  throw new InvalidRequestError(
    `limits must be a name, a list of names or an object from name to slots, but was ${seen(limits)}.`,
    { field: 'limits' },
  );
}

/** False for a `Map`, a `Set` or a `Date`: these have no entries to read, so the call would silently limit nothing. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** `'db' (2), 'gpu'`, for people. */
export function describe(amounts: Amounts): string {
  return amounts.map(([name, slots]) => (slots === 1 ? `'${name}'` : `'${name}' (${slots})`)).join(', ');
}
