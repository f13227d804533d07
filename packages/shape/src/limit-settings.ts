/** What is set of a limit: the engine's `LimitSettings`. */
import { SLOTS_MAX } from './amounts.ts';
import { nullable } from './composites.ts';
import { boolean, integer, number, oneOf, text } from './scalars.ts';

/** Of slots a second. Slower is once in thirty years, and still a number of which sums can be made. */
export const DECAY_MIN = 1e-9;
const DESCRIPTION_MAX = 1_000;

export const limitSlots = integer(0, SLOTS_MAX);

/** In the order in which rows have them. */
export const limitSettings = {
  slots: limitSlots,
  slotDecayPerSecond: nullable(number(DECAY_MIN, SLOTS_MAX)),
  active: boolean,
  mode: oneOf('open', 'paused', 'draining'),
  overtakes: integer(0, SLOTS_MAX),
  maxWaiters: nullable(integer(0, SLOTS_MAX)),
  description: nullable(text(DESCRIPTION_MAX)),
};
