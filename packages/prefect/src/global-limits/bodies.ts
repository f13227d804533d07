/** The bodies of `/v2/concurrency_limits`. */
import { DECAY_MIN, SLOTS_MAX } from '@slotkeeper/protocol';
import { refusesNoNames } from '../api/versions.ts';
import { type Field, fields, model, object } from '../input/bodies.ts';
import { Faults, fault, type Reader } from '../input/faults.ts';
import { readName, readNames } from '../input/names.ts';
import { uuid } from '../input/uuid.ts';
import { boolean, integer, number, oneOf, oneOrMore } from '../input/values.ts';

const LEASE_SECONDS = { ge: 60, le: 86_400 } as const;
const LEASE_SECONDS_DEFAULT = 300;

const count = integer({ ge: 0, le: SLOTS_MAX });
/** There is no upper bound: a number above any limit's is accepted for a name that has no limit, since nothing is taken there. */
const slots = { read: integer({ gt: 0 }) };
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

const holder = object({ type: { read: oneOf('flow_run', 'task_run', 'deployment') }, id: { read: uuid } });

function namingCalls(names: Field<readonly string[]>) {
  return {
    readIncrement: fields({ slots, names, mode }),
    readLeaseIncrement: fields({ slots, names, mode, lease_duration: leaseDuration, holder: optional(holder) }),
    /** The occupancy is checked, and not kept. */
    readDecrement: fields({ slots, names, occupancy_seconds: optional(number({ gt: 0 })) }),
  };
}

const ofAnyNames = namingCalls({ read: readNames });
const ofOneNameOrMore = namingCalls({ read: oneOrMore(readNames) });

/** The calls that name limits, as a Prefect server of that version reads them. */
export function namingCallsOf(version: string): ReturnType<typeof namingCalls> {
  return refusesNoNames(version) ? ofOneNameOrMore : ofAnyNames;
}

export const readLeaseDecrement = fields({ lease_id: { read: uuid } });
export const readRenew = fields({ lease_duration: leaseDuration });
