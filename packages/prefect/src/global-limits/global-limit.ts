/** Limits as Prefect's v2 sees them. */
import type { Limit } from '@slotkeeper/engine';
import { pastInstant } from '../api/timestamps.ts';
import type { Host } from '../host.ts';
import type { ListedLimit } from '../increments/listing.ts';

/** A limit as the routes of `/v2/concurrency_limits` show it. */
export interface GlobalLimit {
  readonly id: string;
  readonly created: string;
  readonly updated: string;
  readonly active: boolean;
  readonly name: string;
  readonly limit: number;
  readonly active_slots: number;
  /** 0: no decay. */
  readonly slot_decay_per_second: number;
}

/** A limit as increments and decrements list it. */
export interface TakenLimit {
  readonly id: string;
  readonly name: string;
  readonly limit: number;
}

export function globalLimit({ engine, nowMs }: Host, limit: Limit): GlobalLimit {
  const { active, slots, slotDecayPerSecond } = limit.settings;
  return {
    id: limit.id,
    created: pastInstant(limit.createdAtMs),
    updated: pastInstant(limit.updatedAtMs),
    active,
    name: limit.name,
    limit: slots,
    active_slots: engine.activeSlots(limit, nowMs),
    slot_decay_per_second: slotDecayPerSecond ?? 0,
  };
}

export function takenLimit({ id, name, slots }: ListedLimit): TakenLimit {
  return { id, name, limit: slots };
}
