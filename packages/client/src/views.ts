/** Limits, holders and waiters as programs see them: as the server sends them, with times as dates. */
import type {
  HolderView,
  LimitView,
  WaiterView,
  Explanation as WireExplanation,
  Holder as WireHolder,
} from '@slotkeeper/protocol';
import { rateText } from './rate.ts';

/** A limit's settings and usage. A rate has both `rate` and `slotDecayPerSecond`. */
export interface Limit extends LimitView {
  /** `'100/minute'`: how fast taken slots come back by themselves. Null: they come back when they are given back. */
  readonly rate: string | null;
}

export interface SlotsOf {
  readonly name: string;
  readonly slots: number;
}

/** For people: who a lease or a place in the wait queue belongs to. */
export type HolderLabel = WireHolder;

/** A lease that is held. */
export interface Holder {
  readonly leaseId: string;
  /** The fencing token. */
  readonly token: number;
  readonly limits: readonly SlotsOf[];
  readonly holder: HolderLabel;
  readonly since: Date;
  /** When others may get its slots, unless its client gives a sign of life; null: it does not expire. */
  readonly expiresAt: Date | null;
}

/** An acquire that waits. */
export interface Waiter {
  /** The id that its lease will have. */
  readonly ticket: string;
  readonly limits: readonly SlotsOf[];
  readonly holder: HolderLabel;
  readonly since: Date;
  /** A head start in seconds. */
  readonly priority: number;
  /** False while its client is away: it keeps its place and is not granted. */
  readonly connected: boolean;
  /** The limit that lacks room for it; null while its client is away or a limit of it is paused. */
  readonly blockedOn: string | null;
}

/** Why an acquire waits. */
export interface Explanation {
  /** The id that its lease would have had. */
  readonly ticket: string;
  /** 1: it is the next for the limits that it lacks. */
  readonly position: number;
  /** How many wait before it for the limits it lacks. */
  readonly ahead: number;
  readonly lacking: readonly Lack[];
  /** A sentence for people. */
  readonly text: string;
}

/** A limit that lacks room. */
export interface Lack {
  readonly name: string;
  readonly wanted: number;
  /** Slots free now, including those that waiters before it reserve. */
  readonly free: number;
  /** The longest holders first, ten at the most. */
  readonly heldBy: readonly {
    readonly leaseId: string;
    readonly holder: HolderLabel;
    readonly slots: number;
    readonly since: Date;
  }[];
}

export function readLimit(view: LimitView): Limit {
  const { slotDecayPerSecond } = view;
  return { ...view, rate: slotDecayPerSecond === null ? null : rateText(slotDecayPerSecond) };
}

export function readHolder({ leaseId, token, limits, holder, sinceMs, expiresAtMs }: HolderView): Holder {
  const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs);
  return { leaseId, token, limits, holder, since: new Date(sinceMs), expiresAt };
}

export function readWaiter(view: WaiterView): Waiter {
  const { ticket, limits, holder, sinceMs, priority, connected, blockedOn } = view;
  return { ticket, limits, holder, since: new Date(sinceMs), priority, connected, blockedOn };
}

export function readExplanation({ ticket, position, ahead, lacking, text }: WireExplanation): Explanation {
  return {
    ticket,
    position,
    ahead,
    lacking: lacking.map((lack) => ({
      ...lack,
      heldBy: lack.heldBy.map((held) => ({ ...held, since: new Date(held.since) })),
    })),
    text,
  };
}
