/** The bodies of `/concurrency_limits`. */
import { SLOTS_MAX } from '@slotkeeper/protocol';
import { fields, model } from '../input/bodies.ts';
import { readTag, readTags } from '../input/names.ts';
import { uuid } from '../input/uuid.ts';
import { integer, list } from '../input/values.ts';

export const readCreate = model({
  tag: { read: readTag },
  concurrency_limit: { read: integer({ ge: 0, le: SLOTS_MAX }) },
});

/** The body of an increment or a decrement. The `occupancy_seconds` of a decrement are ignored. */
export const readSlots = fields({
  names: { read: readTags },
  task_run_id: { read: uuid },
});

export const readReset = fields({
  slot_override: { read: list(uuid), otherwise: [] as readonly string[] },
});
