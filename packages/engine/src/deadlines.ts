/**
 * Everything that happens by time alone: one heap by time. What is due, however late the host is, is handled in this order:
 *
 *   1. `room`: the room of a limit has grown by itself, perhaps enough for the first waiter parked there. Each step begins
 *      with these, so nobody who arrives later passes that waiter.
 *   2. `hold-back`: after a start, grants begin.
 *   3. `session`: a session lapses, or ends if it has lapsed. All of them come before the wait queue is served, so the
 *      oldest lapsed leases are the ones that end.
 *   4. `timeout`: a waiter is refused, the earliest deadline first, then the first in the wait queue. The queue is served
 *      before each, so a waiter that can be granted at the moment of its timeout is granted.
 *
 * Only a tick handles 2, 3 and 4, since a host that could not run submits what has arrived meanwhile before the tick.
 */
import type { EngineMs } from './facts.ts';
import { Heap } from './heap.ts';
import { isBefore, type Place } from './place.ts';

const ORDER = { room: 0, 'hold-back': 1, session: 2, timeout: 3 } as const;

export type DeadlineKind = keyof typeof ORDER;

export interface Deadline {
  readonly kind: DeadlineKind;
  /** What the deadline belongs to: a limit's name, a session's id, or a waiter's lease id. */
  readonly of: string;
  /** The place of the waiter that times out. Null for the other kinds: equal ones may be handled in any order. */
  readonly place: Place | null;
  readonly atMs: EngineMs;
}

/** Only this file changes a deadline. Invariant: a deadline is in one heap at most. */
interface OwnDeadline extends Deadline {
  atMs: EngineMs;
  inFuture: number;
  inDue: number;
}

/** A deadline that is not set yet. */
export function newDeadline(kind: DeadlineKind, of: string, place: Place | null = null): Deadline {
  const deadline: OwnDeadline = { kind, of, place, atMs: 0, inFuture: -1, inDue: -1 };
  return deadline;
}

export class Deadlines {
  readonly #future: Heap<'inFuture', OwnDeadline> = new Heap('inFuture', (a, b) => a.atMs < b.atMs);
  /** Deadlines whose time has come and that have not been taken, in the stated order. */
  readonly #due: Heap<'inDue', OwnDeadline> = new Heap('inDue', (a, b) => isHandledBefore(a, b));

  /** When a tick is next to be called; null: no deadline is set. */
  get wakeAtMs(): EngineMs | null {
    return (this.#due.peek() ?? this.#future.peek())?.atMs ?? null;
  }

  isSet(deadline: Deadline): boolean {
    const own = deadline as OwnDeadline;
    return this.#future.has(own) || this.#due.has(own);
  }

  /** Sets the deadline, or moves it. */
  set(deadline: Deadline, atMs: EngineMs): void {
    const own = deadline as OwnDeadline;
    if (this.#due.has(own)) this.#due.remove(own);
    own.atMs = atMs;
    if (this.#future.has(own)) this.#future.moved(own);
    else this.#future.push(own);
  }

  cancel(deadline: Deadline): void {
    const own = deadline as OwnDeadline;
    if (this.#future.has(own)) this.#future.remove(own);
    else if (this.#due.has(own)) this.#due.remove(own);
  }

  /** Takes out the first that is due in the stated order, if it is of this kind. */
  take(kind: DeadlineKind, nowMs: EngineMs): Deadline | undefined {
    for (let next = this.#future.peek(); next && next.atMs <= nowMs; next = this.#future.peek()) {
      this.#future.remove(next);
      this.#due.push(next);
    }
    const first = this.#due.peek();
    if (first?.kind !== kind) return undefined;
    this.#due.remove(first);
    return first;
  }
}

function isHandledBefore(a: Deadline, b: Deadline): boolean {
  if (a.kind !== b.kind) return ORDER[a.kind] < ORDER[b.kind];
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.place !== null && b.place !== null && isBefore(a.place, b.place);
}
