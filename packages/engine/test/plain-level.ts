/**
 * How much of a limit is taken, told from all that ever happened to it. Nothing is kept but the list: what is true now
 * is found by going through it from the start. It comes to the same sums in the same order as one that goes along, so
 * the engine and the model agree to the last bit, and on the very instant at which a waiter fits.
 */
export type Happening = { readonly atMs: number } & (
  | { readonly what: 'taken'; readonly slots: number }
  /** `held`: what leases hold once these are back. That much stays, unless it has decayed before. */
  | { readonly what: 'returned'; readonly slots: number; readonly held: number }
  | { readonly what: 'occupied'; readonly slots: number; readonly held: number }
  /** From then on so much comes back by itself each second; null: nothing, and only what is held stays taken. */
  | { readonly what: 'set'; readonly perSecond: number | null; readonly held: number }
);

export function levelOf(happenings: readonly Happening[], nowMs: number): number {
  let level = 0;
  let perSecond: number | null = null;
  let sinceMs = 0;
  const passTime = (untilMs: number) => {
    if (perSecond !== null) level = Math.max(0, level - (perSecond * (untilMs - sinceMs)) / 1000);
    sinceMs = untilMs;
  };
  for (const happening of happenings) {
    passTime(happening.atMs);
    if (happening.what === 'taken') level += happening.slots;
    else if (happening.what === 'returned') level = without(level, happening.slots, happening.held);
    else if (happening.what === 'occupied') level = Math.max(happening.slots, Math.min(level, happening.held));
    else {
      if (perSecond !== null && happening.perSecond === null) level = happening.held;
      perSecond = happening.perSecond;
    }
  }
  passTime(nowMs);
  return level;
}

/** The level without these slots, if leases hold `held` then. */
export function without(level: number, slots: number, held: number): number {
  return Math.max(level - slots, Math.min(level, held));
}
