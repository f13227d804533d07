/** The projection's memory of the past: the limits, and the grants whose slots have not come back. It is stored as JSON. */
import type { Holder, State } from '@slotkeeper/engine';

export interface KnownLimit {
  readonly id: string;
  name: string;
  slots: number;
  slotDecayPerSecond: number | null;
  active: boolean;
  /** How many of its slots grants hold. */
  held: number;
  /** A semaphore's slots that are taken by grants whose lease is over, the oldest grant first. */
  readonly untracked: UntrackedSlots[];
}

/** The slots that a grant took of one limit. */
export interface Taken {
  /** The limit's id. */
  readonly limit: string;
  /** The limit's name and size at the grant. */
  readonly name: string;
  readonly size: number;
  readonly slots: number;
}

export interface OpenGrant {
  readonly lease: string;
  /** The position of the grant's fact. */
  readonly token: number;
  readonly atMs: number;
  readonly isV1: boolean;
  readonly holder: Holder;
  /** The ids of all limits of the call. */
  readonly limits: readonly string[];
  /** The slots that it holds. */
  taken: readonly Taken[];
  /** The slots that it spent of rates, and does not hold. */
  readonly spent: readonly Taken[];
}

export interface UntrackedSlots {
  readonly grant: OpenGrant;
  readonly taken: Taken;
  /** How many of these slots have not been returned. */
  remaining: number;
}

/** The whole memory, as of one position. */
export interface ProjectionState {
  readonly position: number;
  /** The time of the fact at that position. */
  readonly atMs: number;
  readonly limits: readonly KnownLimit[];
  readonly grants: readonly OpenGrant[];
}

/** The memory made from the engine's state, where there is no history to fold. It cannot know who took the untracked slots. */
export function projectionStateOf(state: State): ProjectionState {
  // A rate may have been deleted since slots of it were spent.
  const idOf = (name: string): string => state.limits.get(name)?.id ?? '';
  const takenOf = ([name, slots]: readonly [string, number]): Taken => ({
    limit: idOf(name),
    name,
    size: state.limits.get(name)?.settings.slots ?? 0,
    slots,
  });
  return {
    position: state.position,
    atMs: state.atMs,
    limits: [...state.limits.values()].map(({ id, name, settings, usage }) => ({
      id,
      name,
      slots: settings.slots,
      slotDecayPerSecond: settings.slotDecayPerSecond,
      active: settings.active,
      held: usage.held,
      untracked: [],
    })),
    grants: [...state.leases.values()].map(({ id, token, grantedAtMs, origin, holder, amounts, spent }) => ({
      lease: id,
      token,
      atMs: grantedAtMs,
      isV1: origin === 'prefect-tag',
      holder,
      limits: [...amounts, ...spent].map(([name]) => idOf(name)).filter(Boolean),
      taken: amounts.map(takenOf),
      spent: spent.map(takenOf).filter(({ limit }) => limit !== ''),
    })),
  };
}
