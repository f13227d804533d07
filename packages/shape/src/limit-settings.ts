/** The settings of a limit: the engine's `LimitSettings`. */
import { SLOTS_MAX } from './amounts.ts';
import { nullable } from './composites.ts';
import { boolean, integer, number, oneOf, text } from './scalars.ts';

/** The least decay, in slots a second: one slot in thirty years. Sums with it are still exact enough. */
export const DECAY_MIN = 1e-9;
const DESCRIPTION_MAX = 1_000;

export const limitSlots = integer(0, SLOTS_MAX);

/** The fields, in the order of rows. */
export const limitSettings = {
  slots: limitSlots,
  slotDecayPerSecond: nullable(number(DECAY_MIN, SLOTS_MAX)),
  active: boolean,
  mode: oneOf('open', 'paused', 'draining'),
  overtakes: integer(0, SLOTS_MAX),
  maxWaiters: nullable(integer(0, SLOTS_MAX)),
  description: nullable(text(DESCRIPTION_MAX)),
};
