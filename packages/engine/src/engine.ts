/**
 * The engine: decides, and nothing else. `step` takes a command and the time, and returns the facts that it comes to and
 * the notices that may be delivered once they are durable. The host makes the facts durable, delivers the notices, and
 * calls again with `tick` when `wakeAtMs` has come. The same commands at the same times give the same steps.
 *
 * This file is the table of contents: what each command does is in the `handle-….ts` of its family.
 */
import { type Bounds, DEFAULT_BOUNDS } from './bounds.ts';
import type { Command, Step } from './commands.ts';
import type { EngineMs } from './facts.ts';
import { acquire, cancel } from './handle-acquire.ts';
import { release, renew } from './handle-leases.ts';
import { deleteLimit, ensureLimit, renameLimit, resetLimit, setLimit } from './handle-limits.ts';
import { adopt, alive, closeSession, lose, openSession } from './handle-sessions.ts';
import { serveGrownRoom, tick } from './handle-tick.ts';
import { returnUntracked, setUntracked } from './handle-untracked.ts';
import type { Limit } from './limit-table.ts';
import { serveQueue } from './outcomes.ts';
import { newParts, type Parts } from './parts.ts';
import type { Place, Position } from './place.ts';
import type { Refusal } from './refusals.ts';
import type { State } from './state.ts';
import { takenSlots } from './usage.ts';
import {
  type HolderView,
  holderViews,
  type LimitView,
  limitView,
  limitViews,
  type WaiterView,
  waiterViews,
} from './views.ts';

/** After a start with leases in the journal nothing is granted for so long, so that those who waited are back in their places. */
export const HOLD_BACK_MS = 1_000;

const { POSITIVE_INFINITY: ALL } = Number;

export class Engine {
  readonly #parts: Parts;

  /**
   * Takes over `state`, as replayed from the journal. `epoch` is the journal's: places given in different epochs differ.
   * All leases get one full time to live from `nowMs`; the host should be about to accept connections.
   */
  constructor(state: State, at: { readonly epoch: number; readonly nowMs: EngineMs }, bounds: Partial<Bounds> = {}) {
    this.#parts = newParts(state, at.epoch, at.nowMs, { ...DEFAULT_BOUNDS, ...bounds });
    const { queue, sessions } = this.#parts;
    for (const limit of state.limits.values()) queue.add(limit);
    for (const lease of state.leases.values()) adopt(this.#parts, lease);
    if ([...sessions].some((session) => !session.lapsed)) queue.holdBack(this.nowMs + HOLD_BACK_MS);
  }

  step(command: Command, nowMs: EngineMs): Step {
    const { ledger } = this.#parts;
    ledger.begin(nowMs, command.by ?? null);
    serveGrownRoom(this.#parts);
    const refusal = this.#handle(command);
    serveQueue(this.#parts);
    return ledger.end(refusal);
  }

  #handle(command: Command): Refusal | undefined {
    const parts = this.#parts;
    switch (command.type) {
      case 'acquire':
        return acquire(parts, command.sessionId, command.request);
      case 'cancel':
        return cancel(parts, command.sessionId, command.leaseId);
      case 'release':
        return release(parts, command);
      case 'renew':
        return renew(parts, command.leaseId, command.ttlMs);
      case 'session.open':
        return openSession(parts, command);
      case 'session.alive':
        return alive(parts, command.sessionId, command.connection);
      case 'session.lost':
        return lose(parts, command.sessionId, command.connection, command.keepMs);
      case 'session.close':
        return closeSession(parts, command.sessionId, command.connection);
      case 'limit.ensure':
        return ensureLimit(parts, command.name, command.id, command.patch);
      case 'limit.set':
        return setLimit(parts, command.name, command.id, command.patch);
      case 'limit.delete':
        return deleteLimit(parts, command.name, command.force);
      case 'limit.rename':
        return renameLimit(parts, command.name, command.to);
      case 'limit.reset':
        return resetLimit(parts, command.name, command.grants);
      case 'untracked.set':
        return setUntracked(parts, command.name, command.slots);
      case 'untracked.return':
        return returnUntracked(parts, command.amounts);
      case 'stalled':
        parts.sessions.stalled(command.byMs);
        return undefined;
      case 'tick':
        return tick(parts);
    }
  }

  /** When `tick` is to be called, a time of the engine; null: not before another command. */
  get wakeAtMs(): EngineMs | null {
    return this.#parts.deadlines.wakeAtMs;
  }

  // What is to be seen

  get state(): State {
    return this.#parts.ledger.state;
  }

  get nowMs(): EngineMs {
    return this.#parts.ledger.nowMs;
  }

  /** As it was at the last step, or is at `nowMs` after it: a rate's slots come back meanwhile. */
  limitView(name: string, nowMs: EngineMs = this.nowMs): LimitView | undefined {
    return limitView(this.#parts, name, nowMs);
  }

  /** Whole slots of the limit that are taken; what lapsed leases hold is not, also while nobody needs it. */
  activeSlots(limit: Limit, nowMs: EngineMs): number {
    return takenSlots(limit, this.#parts.queue.limit(limit.name).lapsed.slots, nowMs);
  }

  /** Whether the lease's slots are surely its own: a lapsed one's may go to others at any moment. */
  isValid(leaseId: string, token: number): boolean {
    return this.state.leases.get(leaseId)?.token === token && this.#parts.leases.stateOf(leaseId) === 'held';
  }

  /**
   * How many slots of the limit those who wait before a position reserve, if the waiters in `leftOut` (lease ids) are left
   * out: with nobody left out, what a grant at that position has to leave.
   */
  reserved(name: string, before: Place, leftOut: ReadonlySet<string>): number {
    return this.#parts.queue.limit(name).reserved(before, leftOut);
  }

  // All of them, or pages of at most `max`. A walk from page to page shows each item that is there throughout exactly once.

  /** Limits whose names begin with `prefix`, in the order of their names; those after the name `after`. */
  limits(prefix = '', after: string | null = null, max = ALL, nowMs: EngineMs = this.nowMs): LimitView[] {
    return limitViews(this.#parts, prefix, after, max, nowMs);
  }

  /** The holders of the limit, or of any, in the order of their grants, after the token `after`; 0: from the first. */
  holders(name: string | null, after = 0, max = ALL): HolderView[] {
    return holderViews(this.#parts, name, after, max);
  }

  /** The waiters for the limit, or for any, in the order of the wait queue, after the waiter `after`. */
  waiters(name: string | null, after: Position | null = null, max = ALL): WaiterView[] {
    return waiterViews(this.#parts, name, after, max);
  }
}
