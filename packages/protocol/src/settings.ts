/** Fields that users may set in an acquire, a session or a limit, with their ranges. */
import {
  integer,
  limitSettings,
  limitSlots,
  nullable,
  number,
  partial,
  type Shape,
  SLOTS_MAX,
  shape,
} from '@slotkeeper/shape';
import type { LimitSpec } from './messages.ts';

export { DECAY_MIN, LIMITS_MAX, SLOTS_MAX, TEXT_MAX } from '@slotkeeper/shape';

export const PRIORITY_MAX = 86_400;
export const TTL_MIN_MS = 2_000;
export const TTL_MAX_MS = 300_000;
/** The same number of seconds as a limit may have slots. */
const TIMEOUT_MAX_MS = SLOTS_MAX * 1_000;

export const priority = number(-PRIORITY_MAX, PRIORITY_MAX);
/** Null: for ever. */
export const timeoutMs = nullable(number(0, TIMEOUT_MAX_MS));
/** Null: for ever. */
export const ttlMs = nullable(integer(TTL_MIN_MS, TTL_MAX_MS));

const { mode: _, ...settable } = limitSettings;

/** Settings to change. What is left out keeps its value, or its default as the limit is created. */
export const limitSpec = shape<LimitSpec>(partial(settable));

/** Settings of a limit that is to be created. */
export const newLimit: Shape<LimitSpec & { readonly slots: number }> = shape({
  ...limitSpec.fields,
  slots: limitSlots,
});
