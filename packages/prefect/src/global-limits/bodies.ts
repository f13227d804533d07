/** The bodies of `/v2/concurrency_limits`. */
import { DECAY_MIN, SLOTS_MAX } from '@slotkeeper/protocol';
import { type Field, fields, model, object } from '../input/bodies.ts';
import { Faults, fault, type Reader } from '../input/faults.ts';
import { readName, readNames } from '../input/names.ts';
import { uuid } from '../input/uuid.ts';
import { boolean, integer, number, oneOf } from '../input/values.ts';

const LEASE_SECONDS = { ge: 60, le: 86_400 } as const;
const LEASE_SECONDS_DEFAULT = 300;

const count = integer({ ge: 0, le: SLOTS_MAX });
/** There is no upper bound: a number above any limit's is accepted for a name that has no limit, since nothing is taken there. */
const slots = { read: integer({ gt: 0 }) };
const names = { read: readNames };
const mode = { read: oneOf('concurrency', 'rate_limit'), otherwise: 'concurrency' as const };
const leaseDuration = { read: number(LEASE_SECONDS), otherwise: LEASE_SECONDS_DEFAULT };

/** Slots a second. 0: no decay. */
const decay: Reader<number> = (input, loc) => {
  const read = number({ ge: 0 })(input, loc);
  if (read instanceof Faults || read === 0) return read;
  if (read >= DECAY_MIN) return number({ le: SLOTS_MAX })(input, loc);
  const msg = `Input should be 0 or greater than or equal to ${DECAY_MIN}`;
  return fault('greater_than_equal', msg, input, loc, { ge: DECAY_MIN });
};

export const readCreate = model({
  active: { read: boolean, otherwise: true },
  name: { read: readName },
  limit: { read: count },
  active_slots: { read: count, otherwise: 0 },
  denied_slots: { read: count, otherwise: 0 },
  slot_decay_per_second: { read: decay, otherwise: 0 },
});

/** A field that is not given is undefined: the limit keeps its value. */
export const readPatch = model({
  active: optional(boolean),
  name: optional(readName),
  limit: optional(count),
  active_slots: optional(count),
  denied_slots: optional(count),
  slot_decay_per_second: optional(decay),
});

function optional<T>(read: Reader<T>): Field<T | undefined> {
  return { read, otherwise: undefined };
}

export const readIncrement = fields({ slots, names, mode });

const holder = object({ type: { read: oneOf('flow_run', 'task_run', 'deployment') }, id: { read: uuid } });

export const readLeaseIncrement = fields({
  slots,
  names,
  mode,
  lease_duration: leaseDuration,
  holder: optional(holder),
});

/** `occupancy_seconds` is checked, as on a stock server, and not used. */
export const readDecrement = fields({
  slots,
  names,
  occupancy_seconds: optional(number({ gt: 0 })),
});

export const readLeaseDecrement = fields({ lease_id: { read: uuid } });
export const readRenew = fields({ lease_duration: leaseDuration });
