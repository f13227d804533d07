/**
 * The line: who waits, in which order, and who is tried when. It decides that a waiter may be granted; what a grant does
 * is its owner's business. The rules are those of docs/design.md, "Reservations" and "Who is tried when".
 *
 * One observation carries the whole module. A lane parked on a limit lacks room there, earlier reservations counted, and
 * it reserves there what it lacks. So whoever comes after it and wants that limit lacks room there, too:
 *
 *   1. a limit's parked lanes need a look only from the first on, as long as the first gets through;
 *   2. "what earlier waiters reserve" is, on a limit with an earlier parked lane, always too much; on any other it is the
 *      reservations that first waiters of other limits have made there (`reserving`), of which there are few.
 *
 * Lanes are tried in the order of their places, and what a try changes concerns only places after its own. So one pass
 * settles everything.
 */
import type { Place } from './commands.ts';
import type { Amounts, EngineMs } from './facts.ts';
import { Heap } from './heap.ts';
import { room, roomAtMs } from './level.ts';
import type { Lease, Limit } from './state.ts';

export function isBefore(a: Place, b: Place): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}

/** What the line keeps of a waiter; its owner may keep more in it. */
export interface Waiter<W extends Waiter<W>> {
  readonly amounts: Amounts;
  readonly place: Place;
  /** The lane it stands in; null while it is not in the line (its client is away). */
  lane: Lane<W> | null;
  /** For each of its limits, in order, the limit's grants when it joined. */
  grantsAsItJoined: readonly number[];
  inLane: number;
}

/** Waiters that ask for exactly the same. Only the first needs a look. Invariant: not empty, but within a step. */
export interface Lane<W extends Waiter<W>> {
  readonly key: string;
  readonly amounts: Amounts;
  readonly gates: readonly Gate<W>[];
  readonly queue: Heap<'inLane', W>;
  /** Where it lacks room, and reserves; null: it has not been tried yet, or a limit of it is paused. */
  parkedOn: Gate<W> | null;
  inParked: number;
  inToTry: number;
}

/** A limit as the line sees it. */
export interface Gate<W extends Waiter<W>> {
  readonly limit: Limit;
  /** Leases that have lapsed, the one to be ended first first: their slots count as free. Invariant: `lapsedSlots` is their sum here. */
  readonly lapsed: Map<string, Lease>;
  lapsedSlots: number;
  /** When the first lane parked here is to be tried since by then enough may have come back by itself; while it is in `#due`. */
  dueMs: EngineMs;
  inDue: number;
  /** Grants made since the engine started. */
  grants: number;
  /** All who wait for it, those whose client is away included. */
  waiters: number;
  readonly lanes: Set<Lane<W>>;
  readonly parked: Heap<'inParked', Lane<W>>;
  /** The first waiter parked here, and what it reserves elsewhere or will. */
  first: { readonly waiter: W; readonly elsewhere: readonly Reservation<W>[] } | null;
  /** What first waiters of other limits reserve here, in the order of their places. */
  readonly reserving: Reservation<W>[];
  /** What they will reserve here, once this limit has made so many grants. */
  readonly expected: Heap<'inExpected', Reservation<W>>;
}

interface Reservation<W extends Waiter<W>> {
  readonly at: Gate<W>;
  readonly place: Place;
  readonly slots: number;
  readonly fromGrants: number;
  inExpected: number;
}

const NONE: readonly never[] = [];

export class Line<W extends Waiter<W>> {
  readonly #gates = new Map<string, Gate<W>>();
  readonly #lanes = new Map<string, Lane<W>>();
  readonly #toTry: Heap<'inToTry', Lane<W>> = new Heap('inToTry', lanesBefore);
  /** Waiters that are to be granted or refused at once, at their places. They are in no lane. */
  readonly #tries: Heap<'inLane', W> = new Heap('inLane', (a, b) => isBefore(a.place, b.place));
  /** Limits whose room grows by itself and on which a lane is parked. */
  readonly #due: Heap<'inDue', Gate<W>> = new Heap('inDue', (a, b) => a.dueMs < b.dueMs);
  readonly #grant: (waiter: W) => void;
  readonly #refuseTry: (waiter: W) => void;
  #heldBack = false;
  #nowMs: EngineMs = 0;

  /** `grant` is called for each waiter that may have its slots now, and has to take them, and tell `granted`, at once. The waiter has left the line. */
  constructor(grant: (waiter: W) => void, refuseTry: (waiter: W) => void) {
    this.#grant = grant;
    this.#refuseTry = refuseTry;
  }

  // Limits

  add(limit: Limit): void {
    this.#gates.set(limit.name, {
      limit,
      lapsed: new Map(),
      lapsedSlots: 0,
      dueMs: 0,
      inDue: -1,
      grants: 0,
      waiters: 0,
      lanes: new Set(),
      parked: new Heap('inParked', lanesBefore),
      first: null,
      reserving: [],
      expected: new Heap('inExpected', (a, b) => a.fromGrants < b.fromGrants),
    });
  }

  /** The limit's waiters must have left. */
  delete(name: string): void {
    if (this.gate(name).lanes.size > 0) throw new Error(`limit '${name}' leaves the line with waiters in it`);
    this.#gates.delete(name);
  }

  /** The limit has another name by now, and its waiters have left. */
  rename(name: string, to: string): void {
    const gate = this.gate(name);
    this.delete(name);
    this.#gates.set(to, gate);
  }

  gate(name: string): Gate<W> {
    const gate = this.#gates.get(name);
    if (!gate) throw new Error(`limit '${name}' is not in the line`);
    return gate;
  }

  /** To be called after a limit's settings have changed. */
  changed(name: string): void {
    const gate = this.gate(name);
    for (const lane of gate.lanes) {
      this.#tryLater(lane);
      // The setting `overtakes` may have changed: the first waiters of other limits reserve here anew.
      const first = lane.parkedOn?.first;
      if (lane.parkedOn && first?.waiter.lane === lane) this.#setFirst(lane.parkedOn, first.waiter);
    }
  }

  /** To be called when slots of a limit have become free, or lapsed. */
  roomGained(name: string): void {
    this.#tryFirst(this.gate(name));
  }

  /** To be called when a grant has been made on these limits. */
  granted(amounts: Amounts): void {
    for (const [name] of amounts) {
      const gate = this.gate(name);
      gate.grants += 1;
      for (let next = gate.expected.peek(); next && next.fromGrants <= gate.grants; next = gate.expected.peek()) {
        gate.expected.remove(next);
        reserve(gate, next);
      }
    }
  }

  /** Whether a waiter is parked on the limit: then a lapsed lease on it cannot be made whole again. */
  isWantedNow(name: string): boolean {
    return this.gate(name).parked.size > 0;
  }

  // Time

  /** Tries those for whom enough has come back by itself. To be called as a step begins. */
  begin(nowMs: EngineMs): void {
    this.#nowMs = nowMs;
    if (this.#heldBack) return;
    for (let gate = this.#due.peek(); gate && gate.dueMs <= nowMs; gate = this.#due.peek()) {
      this.#due.remove(gate);
      this.#tryFirst(gate);
    }
    this.settle();
  }

  /** When somebody may be granted since slots come back by themselves; null: not before another command. */
  get wakeAtMs(): EngineMs | null {
    return this.#heldBack ? null : (this.#due.peek()?.dueMs ?? null);
  }

  /** To be called when the first lane parked on the limit has been tried in vain, or is another one. */
  #setDue(gate: Gate<W>): void {
    const lane = gate.parked.peek();
    const dueMs = lane ? roomAtMs(gate.limit, needed(gate, lane), gate.lapsedSlots, this.#nowMs) : null;
    if (dueMs === null) {
      if (this.#due.has(gate)) this.#due.remove(gate);
      return;
    }
    gate.dueMs = dueMs;
    if (this.#due.has(gate)) this.#due.moved(gate);
    else this.#due.push(gate);
  }

  // Waiters

  join(waiter: W): void {
    const lane = this.#laneFor(waiter.amounts);
    waiter.lane = lane;
    if (waiter.grantsAsItJoined.length === 0) waiter.grantsAsItJoined = lane.gates.map((gate) => gate.grants);
    lane.queue.push(waiter);
    if (lane.queue.peek() === waiter) {
      this.#headChanged(lane);
      this.#tryLater(lane);
    }
  }

  /** To be granted or refused as the line is settled, each at its place; nobody waits for it. */
  try(waiter: W): void {
    this.#tries.push(waiter);
  }

  leave(waiter: W): void {
    const lane = waiter.lane;
    if (!lane) {
      if (this.#tries.has(waiter)) this.#tries.remove(waiter);
      return;
    }
    const wasHead = lane.queue.peek() === waiter;
    lane.queue.remove(waiter);
    waiter.lane = null;
    if (!wasHead) return;
    if (lane.queue.size === 0) {
      this.#drop(lane);
    } else {
      this.#headChanged(lane);
      this.#tryLater(lane);
      if (lane.parkedOn) this.#tryFirst(lane.parkedOn);
    }
  }

  /** Whether an acquire would be granted at that place. To be asked only when all before it is settled. */
  fits(amounts: Amounts, place: Place): boolean {
    if (this.#heldBack) return false;
    for (const [name, slots] of amounts) {
      const gate = this.gate(name);
      if (gate.limit.settings.mode === 'paused' || lacks(gate, slots, place, this.#nowMs)) return false;
    }
    return true;
  }

  /** While held back, nobody is granted: those who waited before a restart are to be back in their places first. */
  set heldBack(heldBack: boolean) {
    this.#heldBack = heldBack;
  }

  /** Grants all that can be granted. To be called at the end of each step. */
  settle(): void {
    if (this.#heldBack) return;
    for (;;) {
      const lane = this.#toTry.peek();
      const asked = this.#tries.peek();
      if (asked && !(lane && isBefore(head(lane).place, asked.place))) {
        this.#tries.remove(asked);
        if (this.fits(asked.amounts, asked.place)) this.#grant(asked);
        else this.#refuseTry(asked);
      } else if (lane) {
        this.#toTry.remove(lane);
        this.#tryLane(lane);
      } else {
        return;
      }
    }
  }

  #tryLane(lane: Lane<W>): void {
    const waiter = head(lane);
    const parkedOn = lane.parkedOn;
    if (lane.gates.some((gate) => gate.limit.settings.mode === 'paused')) {
      this.#park(lane, null);
      return;
    }
    const lacking = whereItLacks(lane, waiter, this.#nowMs);
    if (lacking) {
      if (lacking !== parkedOn) this.#park(lane, lacking);
      if (lacking.parked.peek() === lane) this.#setDue(lacking);
      return;
    }
    // It takes what it reserved before the others are looked at: `leave` has them tried, now or after this one.
    this.leave(waiter);
    this.#grant(waiter);
  }

  #laneFor(amounts: Amounts): Lane<W> {
    const key = JSON.stringify(amounts);
    const existing = this.#lanes.get(key);
    if (existing) return existing;
    const lane: Lane<W> = {
      key,
      amounts,
      gates: amounts.map(([name]) => this.gate(name)),
      queue: new Heap('inLane', (a, b) => isBefore(a.place, b.place)),
      parkedOn: null,
      inParked: -1,
      inToTry: -1,
    };
    this.#lanes.set(key, lane);
    for (const gate of lane.gates) gate.lanes.add(lane);
    return lane;
  }

  #drop(lane: Lane<W>): void {
    // An empty lane has no place: it leaves this heap before anything else is compared in it.
    if (this.#toTry.has(lane)) this.#toTry.remove(lane);
    this.#park(lane, null);
    for (const gate of lane.gates) gate.lanes.delete(lane);
    this.#lanes.delete(lane.key);
  }

  #tryLater(lane: Lane<W>): void {
    if (!this.#toTry.has(lane)) this.#toTry.push(lane);
  }

  #tryFirst(gate: Gate<W>): void {
    const first = gate.parked.peek();
    if (first) this.#tryLater(first);
  }

  #park(lane: Lane<W>, gate: Gate<W> | null): void {
    const before = lane.parkedOn;
    if (before) {
      before.parked.remove(lane);
      lane.parkedOn = null;
      this.#refreshFirst(before);
      this.#tryFirst(before);
      if (before.parked.size === 0) this.#setDue(before);
    }
    if (gate) {
      lane.parkedOn = gate;
      gate.parked.push(lane);
      this.#refreshFirst(gate);
    }
  }

  #headChanged(lane: Lane<W>): void {
    if (this.#toTry.has(lane)) this.#toTry.moved(lane);
    if (!lane.parkedOn) return;
    lane.parkedOn.parked.moved(lane);
    this.#refreshFirst(lane.parkedOn);
  }

  #refreshFirst(gate: Gate<W>): void {
    const lane = gate.parked.peek();
    const waiter = lane ? head(lane) : null;
    if (waiter !== (gate.first?.waiter ?? null)) this.#setFirst(gate, waiter);
  }

  /** The first connected waiter parked on a limit also reserves on each other of its limits that has overtaken it often enough. */
  #setFirst(gate: Gate<W>, waiter: W | null): void {
    for (const reservation of gate.first?.elsewhere ?? NONE) {
      if (withdraw(reservation)) this.#tryFirst(reservation.at);
    }
    gate.first = waiter && { waiter, elsewhere: elsewhere(gate, waiter) };
    for (const reservation of gate.first?.elsewhere ?? NONE) {
      if (reservation.fromGrants <= reservation.at.grants) reserve(reservation.at, reservation);
      else reservation.at.expected.push(reservation);
    }
  }
}

function head<W extends Waiter<W>>(lane: Lane<W>): W {
  const first = lane.queue.peek();
  if (!first) throw new Error(`lane ${lane.key} is empty`);
  return first;
}

function lanesBefore<W extends Waiter<W>>(a: Lane<W>, b: Lane<W>): boolean {
  return isBefore(head(a).place, head(b).place);
}

/** The limit to park on: where it is parked if it still lacks there, else the first of the request where it lacks. */
function whereItLacks<W extends Waiter<W>>(lane: Lane<W>, waiter: W, nowMs: EngineMs): Gate<W> | null {
  let first: Gate<W> | null = null;
  for (const [i, gate] of lane.gates.entries()) {
    if (first && gate !== lane.parkedOn) continue;
    if (!lacks(gate, (lane.amounts[i] as Amounts[number])[1], waiter.place, nowMs)) continue;
    if (gate === lane.parkedOn) return gate;
    first = gate;
  }
  return first;
}

function lacks<W extends Waiter<W>>(gate: Gate<W>, slots: number, place: Place, nowMs: EngineMs): boolean {
  const firstParked = gate.parked.peek();
  if (firstParked && isBefore(head(firstParked).place, place)) return true;
  let left = room(gate.limit, gate.lapsedSlots, nowMs) - slots;
  for (const reservation of gate.reserving) {
    if (left < 0 || !isBefore(reservation.place, place)) break;
    left -= reservation.slots;
  }
  return left < 0;
}

/** What the first waiter of a lane parked there needs to find, before it is granted. */
function needed<W extends Waiter<W>>(gate: Gate<W>, lane: Lane<W>): number {
  const { place } = head(lane);
  let slots = (lane.amounts[lane.gates.indexOf(gate)] as Amounts[number])[1];
  for (const reservation of gate.reserving) if (isBefore(reservation.place, place)) slots += reservation.slots;
  return slots;
}

function elsewhere<W extends Waiter<W>>(gate: Gate<W>, waiter: W): readonly Reservation<W>[] {
  const lane = waiter.lane as Lane<W>;
  if (lane.gates.length === 1) return NONE;
  const reservations: Reservation<W>[] = [];
  for (const [i, [, slots]] of lane.amounts.entries()) {
    const at = lane.gates[i] as Gate<W>;
    if (at === gate) continue;
    const fromGrants = (waiter.grantsAsItJoined[i] as number) + at.limit.settings.overtakes;
    reservations.push({ at, place: waiter.place, slots, fromGrants, inExpected: -1 });
  }
  return reservations;
}

function reserve<W extends Waiter<W>>(gate: Gate<W>, reservation: Reservation<W>): void {
  const after = gate.reserving.findIndex((other) => isBefore(reservation.place, other.place));
  gate.reserving.splice(after === -1 ? gate.reserving.length : after, 0, reservation);
}

/** Whether it did reserve. */
function withdraw<W extends Waiter<W>>(reservation: Reservation<W>): boolean {
  const { reserving, expected } = reservation.at;
  if (expected.has(reservation)) {
    expected.remove(reservation);
    return false;
  }
  reserving.splice(reserving.indexOf(reservation), 1);
  return true;
}
