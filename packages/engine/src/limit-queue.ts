/** A limit as the wait queue sees it: the lanes of those who wait for it, where they are parked, and what they reserve. */
import { type Deadline, newDeadline } from './deadlines.ts';
import type { Amounts, EngineMs } from './facts.ts';
import { Heap } from './heap.ts';
import { BrokenInvariant } from './invariant.ts';
import { LapsedLeases } from './lapsed-leases.ts';
import type { Limit } from './limit-table.ts';
import { type Order, Ordered } from './ordered.ts';
import { comparePositions, isBefore, type Place, type Position } from './place.ts';
import { slotsIn } from './state.ts';
import { room } from './usage.ts';

/** A waiter, as far as the wait queue is concerned. Its ticket has the rest. */
export interface Waiter {
  readonly leaseId: string;
  readonly amounts: Amounts;
  readonly place: Place;
  /** The lane it stands in; null while it stands in none: its client is away, or it is a try. */
  lane: Lane | null;
  /** For each of its limits, in order, the limit's grants when it joined; empty before it has. */
  grantsAsItJoined: readonly number[];
  inTries: number;
}

export function newWaiter(
  leaseId: string,
  amounts: Amounts,
  place: Place,
  grantsAsItJoined: readonly number[] = NONE,
): Waiter {
  return { leaseId, amounts, place, lane: null, grantsAsItJoined, inTries: -1 };
}

const NONE: readonly never[] = [];

const BY_POSITION: Order<Position, Waiter> = { key: (waiter) => waiter, compare: comparePositions };

/** Waiters that ask for exactly the same, so that only the first needs a look. Invariant: between steps no lane is empty. */
export class Lane {
  readonly key: string;
  readonly amounts: Amounts;
  readonly limits: readonly LimitQueue[];
  readonly #waiters = new Ordered(BY_POSITION);
  /** The limit where the lane lacks room, and reserves. Null: it has not been tried yet, or one of its limits is paused. */
  #parkedOn: LimitQueue | null = null;
  inParked = -1;
  inToTry = -1;

  constructor(key: string, amounts: Amounts, limits: readonly LimitQueue[]) {
    this.key = key;
    this.amounts = amounts;
    this.limits = limits;
  }

  get parkedOn(): LimitQueue | null {
    return this.#parkedOn;
  }

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  get head(): Waiter {
    const first = this.#waiters.first;
    if (!first) throw new BrokenInvariant(`lane ${this.key} is empty`);
    return first;
  }

  get isPaused(): boolean {
    return this.limits.some(({ isPaused }) => isPaused);
  }

  /** Its waiters, in order. */
  get waiters(): Iterable<Waiter> {
    return this.#waiters.skip(0);
  }

  /** How many of its waiters come before that position. */
  countBefore(place: Place): number {
    return this.#waiters.countBefore({ place, leaseId: '' });
  }

  add(waiter: Waiter): void {
    if (waiter.lane) throw new BrokenInvariant(`waiter ${waiter.leaseId} joins a second lane`);
    waiter.lane = this;
    if (waiter.grantsAsItJoined.length === 0) waiter.grantsAsItJoined = this.limits.map(({ grants }) => grants);
    this.#waiters.add(waiter);
  }

  remove(waiter: Waiter): void {
    this.#waiters.remove(waiter);
    waiter.lane = null;
  }

  park(limit: LimitQueue | null): void {
    this.#parkedOn?.parked.remove(this);
    this.#parkedOn = limit;
    limit?.parked.push(this);
  }

  /** The limit to park on: the present one if the lane still lacks room there, else the first of the request where it does. */
  whereItLacks(nowMs: EngineMs): LimitQueue | null {
    const { place } = this.head;
    let first: LimitQueue | null = null;
    for (const [i, limit] of this.limits.entries()) {
      if (first && limit !== this.#parkedOn) continue;
      if (!limit.lacks((this.amounts[i] as Amounts[number])[1], place, nowMs)) continue;
      if (limit === this.#parkedOn) return limit;
      first = limit;
    }
    return first;
  }
}

export function lanesBefore(a: Lane, b: Lane): boolean {
  return isBefore(a.head.place, b.head.place);
}

/** What the first waiter parked on one limit reserves on another one, `at`, once that has made `fromGrants` grants. */
export interface Reservation {
  readonly at: LimitQueue;
  readonly leaseId: string;
  readonly place: Place;
  readonly slots: number;
  readonly fromGrants: number;
  inExpected: number;
}

export class LimitQueue {
  readonly limit: Limit;
  readonly lapsed = new LapsedLeases();
  readonly lanes = new Set<Lane>();
  readonly parked: Heap<'inParked', Lane> = new Heap('inParked', lanesBefore);
  #roomDeadline: Deadline;
  /** Grants made since the engine started. */
  #grants = 0;
  /** The first waiter parked here, and its present and future reservations on other limits. */
  #first: { readonly waiter: Waiter; readonly elsewhere: readonly Reservation[] } | null = null;
  /** The reservations here of first waiters of other limits, in the order of their positions. */
  readonly #reserving: Reservation[] = [];
  /** Their reservations that begin once this limit has made enough grants. */
  readonly #expected: Heap<'inExpected', Reservation> = new Heap('inExpected', (a, b) => a.fromGrants < b.fromGrants);

  constructor(limit: Limit) {
    this.limit = limit;
    this.#roomDeadline = newDeadline('room', limit.name);
  }

  get grants(): number {
    return this.#grants;
  }

  get isPaused(): boolean {
    return this.limit.settings.mode === 'paused';
  }

  get first(): Waiter | null {
    return this.#first?.waiter ?? null;
  }

  /** When the first lane parked here is to be tried, since by then enough may have come back by itself. */
  get roomDeadline(): Deadline {
    return this.#roomDeadline;
  }

  /** The limit has another name, and nobody waits for it. */
  renamed(): void {
    this.#roomDeadline = newDeadline('room', this.limit.name);
  }

  /** Whether somebody at that position has to wait here: earlier waiters' reservations and its own slots exceed the room. */
  lacks(slots: number, place: Place, nowMs: EngineMs): boolean {
    const firstParked = this.parked.peek();
    if (firstParked && isBefore(firstParked.head.place, place)) return true;
    let left = room(this.limit, this.lapsed.slots, nowMs) - slots;
    for (const reservation of this.#reserving) {
      if (left < 0 || !isBefore(reservation.place, place)) break;
      left -= reservation.slots;
    }
    return left < 0;
  }

  /** The room that the first waiter of a lane parked here needs, earlier reservations included. */
  needed(lane: Lane): number {
    const { place } = lane.head;
    let slots = (lane.amounts[lane.limits.indexOf(this)] as Amounts[number])[1];
    for (const reservation of this.#reserving) if (isBefore(reservation.place, place)) slots += reservation.slots;
    return slots;
  }

  /**
   * What waiters before that position reserve here, without those in `leftOut` (lease ids). It looks at each of them, which
   * no grant may do.
   */
  reserved(before: Place, leftOut: ReadonlySet<string>): number {
    const counts = ({ leaseId, place }: { readonly leaseId: string; readonly place: Place }): boolean =>
      isBefore(place, before) && !leftOut.has(leaseId);
    let reserved = 0;
    for (const lane of this.lanes) {
      if (lane.parkedOn !== this) continue;
      const slots = slotsIn(lane.amounts, this.limit.name) as number;
      for (const waiter of lane.waiters) if (counts(waiter)) reserved += slots;
    }
    for (const reservation of this.#reserving) if (counts(reservation)) reserved += reservation.slots;
    return reserved;
  }

  countGrant(): void {
    this.#grants += 1;
    for (let next = this.#expected.peek(); next && next.fromGrants <= this.#grants; next = this.#expected.peek()) {
      this.#expected.remove(next);
      this.#insert(next);
    }
  }

  /**
   * The first waiter parked here also reserves on each other of its limits that has passed it over often enough. Returns
   * the limits on which the one before it no longer does.
   */
  setFirst(waiter: Waiter | null): readonly LimitQueue[] {
    const before = this.#first?.elsewhere ?? NONE;
    const freed = before.length === 0 ? NONE : before.filter((reservation) => reservation.at.#withdraw(reservation));
    this.#first = waiter && { waiter, elsewhere: this.#elsewhere(waiter) };
    for (const reservation of this.#first?.elsewhere ?? NONE) reservation.at.#reserve(reservation);
    return freed.length === 0 ? NONE : freed.map(({ at }) => at);
  }

  #elsewhere({ leaseId, lane, place, grantsAsItJoined }: Waiter): readonly Reservation[] {
    if (!lane || lane.limits.length === 1) return NONE;
    const reservations: Reservation[] = [];
    for (const [i, [, slots]] of lane.amounts.entries()) {
      const at = lane.limits[i] as LimitQueue;
      if (at === this) continue;
      const fromGrants = (grantsAsItJoined[i] as number) + at.limit.settings.overtakes;
      reservations.push({ at, leaseId, place, slots, fromGrants, inExpected: -1 });
    }
    return reservations;
  }

  #reserve(reservation: Reservation): void {
    if (reservation.fromGrants <= this.#grants) this.#insert(reservation);
    else this.#expected.push(reservation);
  }

  #insert(reservation: Reservation): void {
    const after = this.#reserving.findIndex((other) => isBefore(reservation.place, other.place));
    this.#reserving.splice(after === -1 ? this.#reserving.length : after, 0, reservation);
  }

  /** Ends the reservation. Returns whether it had begun. */
  #withdraw(reservation: Reservation): boolean {
    if (this.#expected.has(reservation)) {
      this.#expected.remove(reservation);
      return false;
    }
    this.#reserving.splice(this.#reserving.indexOf(reservation), 1);
    return true;
  }
}
