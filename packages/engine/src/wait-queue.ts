/**
 * The wait queue: who waits, in which order, and who is tried when. It is asked for the next waiter that can be granted;
 * what a grant does is not its business. The rules are those of docs/design.md, "Reservations" and "Who is tried when".
 *
 * One observation carries the whole module. A lane parked on a limit lacks room there, earlier reservations counted, and
 * it reserves there what it lacks. So a waiter that comes after it and wants that limit lacks room there, too:
 *
 *   1. a limit's parked lanes need a look only from the first on, as long as the first gets through;
 *   2. "what earlier waiters reserve" is, on a limit with an earlier parked lane, always too much; on any other it is the
 *      reservations that first waiters of other limits have made there, of which there are few.
 *
 * Lanes are tried in the order of their positions, and what a try changes concerns only later positions. So one pass
 * serves everybody.
 */
import { type Deadline, type Deadlines, newDeadline } from './deadlines.ts';
import type { Amounts, EngineMs } from './facts.ts';
import { Heap } from './heap.ts';
import { Lane, LimitQueue, lanesBefore, type Waiter } from './limit-queue.ts';
import type { Limit } from './limit-table.ts';
import { isBefore, type Place } from './place.ts';
import { RecurringMap } from './recurring-map.ts';
import { roomAtMs } from './usage.ts';

/** A waiter that has left the queue, and whether there is room for it. Only a try that is to be refused does not fit. */
export interface Next {
  readonly waiter: Waiter;
  readonly fits: boolean;
}

export class WaitQueue {
  readonly #deadlines: Deadlines;
  readonly #limits = new RecurringMap<string, LimitQueue>();
  readonly #lanes = new RecurringMap<string, Lane>();
  readonly #toTry: Heap<'inToTry', Lane> = new Heap('inToTry', lanesBefore);
  /** Tries: waiters that are granted or refused at once, in the order of their places. They are in no lane. */
  readonly #tries: Heap<'inTries', Waiter> = new Heap('inTries', (a, b) => isBefore(a.place, b.place));
  readonly #holdBackEnd: Deadline = newDeadline('hold-back', '');
  #isHeldBack = false;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  // Limits

  add(limit: Limit): void {
    this.#limits.set(limit.name, new LimitQueue(limit));
  }

  /** The limit's waiters must have left. */
  delete(name: string): void {
    if (this.limit(name).lanes.size > 0) throw new Error(`limit '${name}' leaves the wait queue with waiters in it`);
    this.#limits.delete(name);
  }

  /** The limit has another name by now, and its waiters have left. */
  rename(name: string, to: string): void {
    const limit = this.limit(name);
    this.delete(name);
    this.#limits.set(to, limit);
    limit.renamed();
  }

  limit(name: string): LimitQueue {
    const limit = this.#limits.get(name);
    if (!limit) throw new Error(`limit '${name}' is not in the wait queue`);
    return limit;
  }

  /** Call after a limit's settings have changed. */
  changed(name: string): void {
    for (const lane of this.limit(name).lanes) {
      this.#tryLater(lane);
      // The setting `overtakes` may have changed, so recompute what the first waiters of other limits reserve here.
      if (lane.parkedOn && lane.parkedOn.first?.lane === lane) this.#setFirst(lane.parkedOn, lane.parkedOn.first);
    }
  }

  /** Call when slots of a limit have become free, or lapsed, or come back by themselves. */
  roomGained(name: string): void {
    this.#tryFirst(this.limit(name));
  }

  /** Call when a grant has been made on these limits. */
  granted(amounts: Amounts): void {
    for (const [name] of amounts) this.limit(name).countGrant();
  }

  /** Whether a waiter is parked on the limit: then a lapsed lease on it cannot be made whole again. */
  isWantedNow(name: string): boolean {
    return this.limit(name).parked.size > 0;
  }

  // Hold-back

  /** Grants nobody until then, so that those who waited before a restart are back in their places first. */
  holdBack(untilMs: EngineMs): void {
    this.#isHeldBack = true;
    this.#deadlines.set(this.#holdBackEnd, untilMs);
  }

  endHoldBack(): void {
    this.#isHeldBack = false;
  }

  /** Null: nothing is held back. */
  get heldBackUntilMs(): EngineMs | null {
    return this.#isHeldBack ? this.#holdBackEnd.atMs : null;
  }

  // Waiters

  join(waiter: Waiter): void {
    const lane = this.#laneFor(waiter.amounts);
    lane.add(waiter);
    if (lane.head === waiter) {
      this.#headChanged(lane);
      this.#tryLater(lane);
    }
  }

  /** Adds a try: it is granted or refused, at its place, when the queue is next served. */
  try(waiter: Waiter): void {
    this.#tries.push(waiter);
  }

  leave(waiter: Waiter): void {
    const lane = waiter.lane;
    if (!lane) {
      if (this.#tries.has(waiter)) this.#tries.remove(waiter);
      return;
    }
    const wasHead = lane.head === waiter;
    lane.remove(waiter);
    if (!wasHead) return;
    if (lane.isEmpty) {
      this.#drop(lane);
    } else {
      this.#headChanged(lane);
      this.#tryLater(lane);
      if (lane.parkedOn) this.#tryFirst(lane.parkedOn);
    }
  }

  /** Whether an acquire would be granted at that place. Call it only when the queue has been served. */
  fits(amounts: Amounts, place: Place, nowMs: EngineMs): boolean {
    if (this.#isHeldBack) return false;
    for (const [name, slots] of amounts) {
      const limit = this.limit(name);
      if (limit.isPaused || limit.lacks(slots, place, nowMs)) return false;
    }
    return true;
  }

  /**
   * The next waiter to be granted, or to be refused if it is a try that does not fit; it has left the queue. Act on it
   * before asking again. Null: nobody is left who can be granted.
   */
  next(nowMs: EngineMs): Next | null {
    if (this.#isHeldBack) return null;
    for (;;) {
      const lane = this.#toTry.peek();
      const asked = this.#tries.peek();
      if (asked && !(lane && isBefore(lane.head.place, asked.place))) {
        this.#tries.remove(asked);
        return { waiter: asked, fits: this.fits(asked.amounts, asked.place, nowMs) };
      }
      if (!lane) return null;
      this.#toTry.remove(lane);
      if (!this.#hasRoom(lane, nowMs)) continue;
      const waiter = lane.head;
      // It takes what it reserved before others are tried: `leave` only marks them to be tried, after this one.
      this.leave(waiter);
      return { waiter, fits: true };
    }
  }

  /** Whether there is room for the lane's first waiter; otherwise the lane is parked where it lacks. */
  #hasRoom(lane: Lane, nowMs: EngineMs): boolean {
    if (lane.isPaused) {
      this.#park(lane, null);
      return false;
    }
    const lacking = lane.whereItLacks(nowMs);
    if (!lacking) return true;
    if (lacking !== lane.parkedOn) this.#park(lane, lacking);
    if (lacking.parked.peek() === lane) this.#awaitRoom(lacking, lane, nowMs);
    return false;
  }

  /** The first lane parked on the limit lacked room: sets the deadline at which enough may have come back to try it again. */
  #awaitRoom(at: LimitQueue, lane: Lane, nowMs: EngineMs): void {
    const dueMs = roomAtMs(at.limit, at.needed(lane), at.lapsed.slots, nowMs);
    if (dueMs === null) this.#deadlines.cancel(at.roomDeadline);
    // There was no room just now, even if rounding says so: wait for the next number that a clock can show.
    else this.#deadlines.set(at.roomDeadline, Math.max(dueMs, nowMs * (1 + Number.EPSILON)));
  }

  #laneFor(amounts: Amounts): Lane {
    const key = JSON.stringify(amounts);
    const existing = this.#lanes.get(key);
    if (existing) return existing;
    const limits = amounts.map(([name]) => this.limit(name));
    const lane = new Lane(key, amounts, limits);
    this.#lanes.set(key, lane);
    for (const limit of limits) limit.lanes.add(lane);
    return lane;
  }

  #drop(lane: Lane): void {
    // An empty lane has no position: it leaves this heap before anything else is compared in it.
    if (this.#toTry.has(lane)) this.#toTry.remove(lane);
    this.#park(lane, null);
    for (const limit of lane.limits) limit.lanes.delete(lane);
    this.#lanes.delete(lane.key);
  }

  #tryLater(lane: Lane): void {
    if (!this.#toTry.has(lane)) this.#toTry.push(lane);
  }

  #tryFirst(limit: LimitQueue): void {
    const first = limit.parked.peek();
    if (first) this.#tryLater(first);
  }

  #park(lane: Lane, limit: LimitQueue | null): void {
    const before = lane.parkedOn;
    lane.park(limit);
    if (before) {
      this.#refreshFirst(before);
      this.#tryFirst(before);
      if (before.parked.size === 0) this.#deadlines.cancel(before.roomDeadline);
    }
    if (limit) this.#refreshFirst(limit);
  }

  #headChanged(lane: Lane): void {
    if (this.#toTry.has(lane)) this.#toTry.moved(lane);
    if (!lane.parkedOn) return;
    lane.parkedOn.parked.moved(lane);
    this.#refreshFirst(lane.parkedOn);
  }

  #refreshFirst(limit: LimitQueue): void {
    const waiter = limit.parked.peek()?.head ?? null;
    if (waiter !== limit.first) this.#setFirst(limit, waiter);
  }

  #setFirst(limit: LimitQueue, waiter: Waiter | null): void {
    for (const freed of limit.setFirst(waiter)) this.#tryFirst(freed);
  }
}
