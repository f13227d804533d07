/** What the projection must know of the past: limits, and grants whose slots are not back. It is written as JSON. */
import type { Holder, State } from '@slotkeeper/engine';

export interface KnownLimit {
  readonly id: string;
  name: string;
  slots: number;
  slotDecayPerSecond: number | null;
  active: boolean;
  /** Sum of what grants hold here. */
  held: number;
  /** Taken, of a semaphore, by grants whose lease is over, the oldest first. */
  readonly untracked: UntrackedSlots[];
}

/** What a grant took of one limit. */
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
  /** The position of the fact. */
  readonly token: number;
  readonly atMs: number;
  readonly isV1: boolean;
  readonly holder: Holder;
  /** The ids of all limits of the call. */
  readonly limits: readonly string[];
  /** What it holds. */
  taken: readonly Taken[];
  /** What it took of rates and does not hold. */
  readonly spent: readonly Taken[];
}

export interface UntrackedSlots {
  readonly grant: OpenGrant;
  readonly taken: Taken;
  /** How many of them have not been returned. */
  remaining: number;
}

/** All of it, as of a position. */
export interface ProjectionState {
  readonly position: number;
  /** The time of the fact at that position. */
  readonly atMs: number;
  readonly limits: readonly KnownLimit[];
  readonly grants: readonly OpenGrant[];
}

/** Where there is no history to fold. Whose the untracked slots are is not known any more. */
export function projectionStateOf(state: State): ProjectionState {
  // A rate of which slots were spent may be deleted since.
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
