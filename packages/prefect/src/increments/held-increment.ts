/**
 * One increment, from its request until it is known whether the answer has arrived. It is a session of the engine with one
 * lease.
 *
 *   held ──────── granted ──▶ answering ── handed to the socket ──▶ sent ── written ──▶ written ── arrived ──▶ over
 *    │  ▲                      ▲     │                                │                  │  │
 *    │  │ a repeat             │     │ the connection ended before it was written        │  │ ended in order, at once
 *    │  │                      │     ▼                                ▼                  │  ▼
 *    │  away ◀── durable ──┐   └── orphaned ◀── the connection was reset after it ───────┘  doubtful
 *    │                     │   a repeat │                                                    │ a repeat: answering
 *    └── the hold is over ─┴▶ leaving   └─ nobody repeats it: it goes back                   └ nobody does: it has arrived
 *
 * - held: its request is open; it waits in the wait queue.
 * - leaving: the hold is over, but its leaving the queue is not durable yet. A grant that was decided before that still counts.
 * - away: its request has been answered "not yet"; its position is kept for the repeat.
 * - answering: granted, but the answer lists limits whose last change is not durable yet.
 * - orphaned: the answer did not arrive. The grant waits for a repeat.
 * - doubtful: the answer was written, and its connection ended so soon after that it may not have been read.
 */
import type { AcquireRequest, Amounts, Notice, Place } from '@slotkeeper/engine';
import type { Timer } from '@slotkeeper/protocol';
import type { Kind, Outcome } from './increment.ts';
import type { ListedLimit } from './listing.ts';

/** A request that waits for an answer. It gets exactly one, unless its connection ends before. */
export interface Requester {
  answer(outcome: Outcome): void;
}

/** The grant, as the answer states it. */
export interface Taken {
  readonly token: number;
  readonly amounts: Amounts;
}

export interface Answering {
  readonly is: 'answering';
  readonly requester: Requester;
  readonly taken: Taken;
}

export type Stage =
  | { readonly is: 'held'; readonly requester: Requester; readonly timer: Timer }
  | { readonly is: 'leaving'; readonly requester: Requester }
  | { readonly is: 'away'; readonly timer: Timer }
  | Answering
  | { readonly is: 'sent'; readonly requester: Requester; readonly taken: Taken }
  | {
      readonly is: 'written';
      readonly requester: Requester;
      readonly taken: Taken;
      readonly atMs: number;
      readonly timer: Timer;
    }
  | { readonly is: 'orphaned' | 'doubtful'; readonly taken: Taken; readonly timer: Timer }
  | { readonly is: 'over' };

export interface HeldIncrement {
  readonly key: string;
  readonly kind: Kind;
  /** False without a holder: then a repeat over another connection looks like another client's increment. */
  readonly mayBeRepeated: boolean;
  readonly ttlMs: number | null;
  readonly sessionId: string;
  readonly acquire: AcquireRequest;
  /**
   * The limits as they were listed before anything was decided about this increment. They are durable no later than any
   * decision about it. Null for a grant of an earlier run, which may have become durable before these limits.
   */
  readonly listedBefore: readonly ListedLimit[] | null;
  connection: number;
  place: Place | null;
  stage: Stage;
  readonly sink: (notice: Notice) => void;
}
