/**
 * The line by full scans: who is parked where, who reserves what, who may be granted. It keeps nothing between two looks
 * but where each waiter was parked, as design.md words it ("Reservations"), so that the engine's lanes can be held against it.
 */
import type { Amounts, LimitMode, Place } from '../src/index.ts';

export interface PlainLimit {
  name: string;
  slots: number;
  active: boolean;
  mode: LimitMode;
  overtakes: number;
  /** How many grants it has made, ever. */
  grants: number;
}

export interface PlainWaiter {
  readonly lease: string;
  amounts: Amounts;
  readonly place: Place;
  connected: boolean;
  /** Asks to be granted at once or not at all: it reserves nothing. */
  readonly isTry: boolean;
  parkedOn: string | null;
  /** What each limit had granted as this waiter joined or resumed. */
  grantsSeen: Map<string, number>;
}

export function inOrder<W extends PlainWaiter>(waiters: readonly W[]): W[] {
  return [...waiters].sort((a, b) => a.place.atMs - b.place.atMs || a.place.number - b.place.number);
}

/** Goes through the line once: parks each waiter that cannot be granted, and returns the first that can. */
export function firstToGrant<W extends PlainWaiter>(
  waiters: readonly W[],
  limitOf: (name: string) => PlainLimit,
  roomOf: (limit: PlainLimit) => number,
): W | undefined {
  const reserved = new Map<string, number>();
  const reserve = (name: string, slots: number) => reserved.set(name, (reserved.get(name) ?? 0) + slots);
  const hasFirst = new Set<string>();
  const mayBeGranted = inOrder(waiters).filter(
    ({ connected, amounts }) => connected && amounts.every(([name]) => limitOf(name).mode === 'open'),
  );
  for (const waiter of waiters) if (!mayBeGranted.includes(waiter)) waiter.parkedOn = null;
  // Those who ask for exactly the same are one lane: they are parked where the first of them is.
  const lanes = new Map<string, string>();
  for (const waiter of mayBeGranted) {
    const lane = laneOf(waiter);
    if (waiter.parkedOn !== null && !lanes.has(lane)) lanes.set(lane, waiter.parkedOn);
  }
  for (const waiter of mayBeGranted) if (!waiter.isTry) waiter.parkedOn = lanes.get(laneOf(waiter)) ?? null;

  for (const waiter of mayBeGranted) {
    const lacking = waiter.amounts
      .filter(([name, slots]) => roomOf(limitOf(name)) - (reserved.get(name) ?? 0) < slots)
      .map(([name]) => name);
    const [firstLacking] = lacking;
    if (firstLacking === undefined) return waiter;
    if (waiter.isTry) continue;

    const before = lanes.get(laneOf(waiter));
    const parkedOn = before !== undefined && lacking.includes(before) ? before : firstLacking;
    waiter.parkedOn = parkedOn;
    lanes.set(laneOf(waiter), parkedOn);
    const isFirst = !hasFirst.has(parkedOn);
    hasFirst.add(parkedOn);
    for (const [name, slots] of waiter.amounts) {
      const limit = limitOf(name);
      const passed = limit.grants - (waiter.grantsSeen.get(name) ?? 0);
      if (name === parkedOn || (isFirst && passed >= limit.overtakes)) reserve(name, slots);
    }
  }
  return undefined;
}

/** What the waiters before `before` reserve of the limit, as they were parked last; those in `leftOut` are not counted. */
export function reservedOf(
  name: string,
  before: PlainWaiter,
  leftOut: ReadonlySet<string>,
  waiters: readonly PlainWaiter[],
  limitOf: (name: string) => PlainLimit,
): number {
  let reserved = 0;
  const hasFirst = new Set<string>();
  for (const waiter of inOrder(waiters)) {
    if (waiter === before) break;
    const { lease, amounts, parkedOn, grantsSeen } = waiter;
    if (parkedOn === null) continue;
    const isFirst = !hasFirst.has(parkedOn);
    hasFirst.add(parkedOn);
    const { overtakes, grants } = limitOf(name);
    const isPassed = isFirst && grants - (grantsSeen.get(name) ?? 0) >= overtakes;
    if (leftOut.has(lease) || (parkedOn !== name && !isPassed)) continue;
    reserved += amounts.find(([other]) => other === name)?.[1] ?? 0;
  }
  return reserved;
}

function laneOf({ amounts }: PlainWaiter): string {
  return JSON.stringify(amounts);
}
