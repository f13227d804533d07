/** What people and programs see of limits, holders and waiters. All times are milliseconds since 1970. */
import type { Place } from './commands.ts';
import type { EngineMs, Holder, LimitMode } from './facts.ts';

export interface LimitView {
  readonly name: string;
  readonly slots: number;
  readonly slotDecayPerSecond: number | null;
  readonly active: boolean;
  readonly mode: LimitMode;
  readonly overtakes: number;
  readonly maxWaiters: number | null;
  readonly description: string | null;
  /** Slots that are taken now; of a rate one that has come back in part is taken still. */
  readonly taken: number;
  /** Slots that are not, or only by leases that end as soon as somebody needs them; never below 0. */
  readonly free: number;
  /** Leases that hold some of it. */
  readonly holders: number;
  readonly waiters: number;
}

export interface SlotsOf {
  readonly name: string;
  readonly slots: number;
}

export interface HolderView {
  readonly leaseId: string;
  readonly token: number;
  readonly limits: readonly SlotsOf[];
  readonly holder: Holder;
  readonly sinceMs: EngineMs;
  /** When its slots go to others unless it is heard of; null: it does not expire. */
  readonly expiresAtMs: EngineMs | null;
}

export interface WaiterView {
  /** The lease id of the acquire. */
  readonly ticket: string;
  readonly limits: readonly SlotsOf[];
  readonly holder: Holder;
  readonly sinceMs: EngineMs;
  readonly priority: number;
  readonly place: Place;
  /** False while its client is away: it keeps its place and is not granted. */
  readonly connected: boolean;
  /** The limit it waits for, which lacks room for it; null while its client is away, a limit of it is paused, or the server has just started. */
  readonly blockedOn: string | null;
}
