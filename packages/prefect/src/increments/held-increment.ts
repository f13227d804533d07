/**
 * One increment, from the request that asks for it until its answer is known to have arrived, or will never. It is a session
 * of the engine with one lease.
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
 * - leaving: the hold is over, and that it leaves the queue is not durable yet. A grant decided before is still its own.
 * - away: its request has been answered "not yet"; its position is kept for the repeat.
 * - answering: granted, and the limits that the answer lists are not durable as they are listed.
 * - orphaned: the answer did not arrive. The grant waits for a repeat.
 * - doubtful: the answer was written, and its connection ended so soon after that it may not have been read.
 */
import type { AcquireRequest, Amounts, Notice, Place } from '@slotkeeper/engine';
import type { Timer } from '@slotkeeper/protocol';
import type { Kind, Outcome } from './increment.ts';
import type { ListedLimit } from './listing.ts';

/** The end of a request that waits for an answer. It gets exactly one, unless its connection ends before. */
export interface Requester {
  answer(outcome: Outcome): void;
}

/** What the answer tells its client that it has. */
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
  /** A client without a holder that comes back over another connection cannot be told from others. */
  readonly mayBeRepeated: boolean;
  readonly ttlMs: number | null;
  readonly sessionId: string;
  readonly acquire: AcquireRequest;
  /**
   * Its limits as they were before anything was decided about it: whatever is decided about it is durable only after they
   * are. Null for a grant of an earlier life, which may have been durable before.
   */
  readonly listedBefore: readonly ListedLimit[] | null;
  connection: number;
  place: Place | null;
  stage: Stage;
  readonly sink: (notice: Notice) => void;
}
