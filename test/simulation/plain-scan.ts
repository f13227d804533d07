/** Who waits although there is room: a plain look at everything, without the engine's order of looking. */

interface SlotsOf {
  readonly name: string;
  readonly slots: number;
}

/** What an observer is shown, as of one moment. */
export interface View {
  readonly position: number;
  /** The server's time. */
  readonly nowMs: number;
  readonly limits: readonly {
    name: string;
    slots: number;
    slotDecayPerSecond: number | null;
    active: boolean;
    mode: string;
    overtakes: number;
    taken: number;
  }[];
  readonly holders: readonly { leaseId: string; limits: readonly SlotsOf[] }[];
  /** In the order of the line. */
  readonly waiters: readonly {
    ticket: string;
    limits: readonly SlotsOf[];
    connected: boolean;
    priority: number;
  }[];
}

/**
 * Waiters for whom there is room even if each waiter before them reserved all that it wants: whatever the order in which
 * they are looked at, they should have been granted. `spent`: how much of a rate has not come back yet, beside what is held.
 */
export function couldBeGranted(
  view: View,
  isSurelyGone: (lease: string) => boolean,
  spent: (rate: string) => number,
): View['waiters'] {
  const limits = new Map(view.limits.map((limit) => [limit.name, limit]));
  const left = new Map(
    view.limits.map(({ name, active, slots, slotDecayPerSecond }) => {
      if (!active) return [name, Number.POSITIVE_INFINITY];
      return [name, slotDecayPerSecond === null ? slots : slots - spent(name)];
    }),
  );
  const take = (slotsOf: readonly SlotsOf[]): void => {
    for (const { name, slots } of slotsOf) left.set(name, (left.get(name) ?? 0) - slots);
  };
  for (const { leaseId, limits: held } of view.holders) if (!isSurelyGone(leaseId)) take(held);
  const found = [];
  for (const waiter of view.waiters) {
    const isOpen = waiter.limits.every(({ name }) => limits.get(name)?.mode === 'open');
    if (waiter.connected && isOpen && waiter.limits.every(({ name, slots }) => (left.get(name) ?? 0) >= slots))
      found.push(waiter);
    take(waiter.limits);
  }
  return found;
}
