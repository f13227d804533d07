/**
 * All increments that wait or whose answers may not have arrived. An increment that does not fit is held open until the slots
 * are its own, instead of being polled; the stages are in `held-increment.ts`.
 *
 * A client sends an increment again when its connection failed. A repeat has the same key: the names, the slots, and the
 * holder, or else the connection.
 * - A repeat of an increment that is held takes over its position, and the older request is sent away.
 * - A repeat of an increment that was granted, and whose answer may not have arrived, is answered with the same grant.
 * - After an answer was sent, and before its connection has ended, the same key is another increment.
 *
 * A connection that ends while its request is held takes the increment out of the wait queue at once. A client that renews a
 * lease or gives it back by its id has received the answer, even if the connection failed. Once the answer to a bare
 * increment has arrived, its slots stay taken without a lease.
 */
import { randomUUID } from 'node:crypto';
import { type AcquireRequest, type Limit, type Notice, type Refusal, untrackedSlots } from '@slotkeeper/engine';
import type { Clock } from '@slotkeeper/protocol';
import { limitsNamed } from '../api/limit-lookup.ts';
import type { Host } from '../host.ts';
import type { Ending } from './delivery.ts';
import { EarlierGrants } from './earlier-grants.ts';
import type { Answering, HeldIncrement, Requester, Taken } from './held-increment.ts';
import { acquireFor, type Increment, keyOf, ORIGINS } from './increment.ts';
import { isSameListing, type ListedLimit, listing } from './listing.ts';

/** How long a position, or a grant that did not arrive, is kept for a repeat. A stock client repeats within 2.4 s. */
const REPEAT_MS = 3_000;
/** A connection that ends in order so soon after an answer may have ended before its client read it … */
const DOUBT_WITHIN_MS = 1_000;
/** … and a client that has not repeated it after all its tries, or still waits for it, will not. */
const DOUBT_MS = 120_000;

export interface HeldIncrementsOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** How long a request is held at the most. */
  readonly holdMs: number;
}

export class HeldIncrements {
  readonly #options: HeldIncrementsOptions;
  readonly #earlier: EarlierGrants;
  /** By key: those that a repeat may go on from. A `sent` or `written` one is not among them. */
  readonly #byKey = new Map<string, HeldIncrement>();
  /** By request: those with an open request, or an answer on its way. */
  readonly #byRequester = new Map<Requester, HeldIncrement>();
  /** By lease id: those that are granted. */
  readonly #granted = new Map<string, HeldIncrement>();
  /** By lease id: the bare ones that are `written`. */
  readonly #bareWritten = new Map<string, HeldIncrement>();

  constructor(options: HeldIncrementsOptions) {
    this.#options = options;
    this.#earlier = new EarlierGrants(options.host);
    options.host.on({ failed: () => this.forgetAll(), flushed: () => this.#earlier.giveBackLost() });
  }

  /** Answers at once, when the slots are its own, or when the hold is over. */
  ask(increment: Increment, requester: Requester): void {
    this.#earlier.begin();
    const key = keyOf(increment);
    const repeated = this.#byKey.get(key);
    if (repeated && this.#repeat(repeated, requester)) return;
    const acquire = acquireFor(increment);
    const earlier = this.#earlier.claim(increment);
    if (earlier) {
      const { id, sessionId, token, amounts } = earlier;
      const held = this.#begin(key, increment, sessionId, { ...acquire, leaseId: id }, null);
      this.#answer(held, requester, { token, amounts });
    } else {
      this.#open(this.#begin(key, increment, randomUUID(), acquire, this.#listing(increment.names)), requester);
    }
  }

  /**
   * Call before untracked slots of the limit are returned or overwritten. A client that returns slots must have received
   * them, so as many bare increments as that takes have arrived.
   */
  arrivedOn(limit: Limit, slots: number): void {
    this.#earlier.begin();
    const { nowMs } = this.#options.host;
    for (const held of this.#bareWritten.values()) {
      if (untrackedSlots(limit, nowMs) >= slots) return;
      const { stage } = held;
      if (stage.is === 'written' && limit.leases.get(stage.taken.token)) this.#settle(held, stage.taken);
    }
  }

  /** Call when a client names a lease to renew it or to give it back: it can know the id only from the answer. */
  arrivedAs(leaseId: string): void {
    this.#earlier.begin();
    this.#earlier.arrived(leaseId);
    const held = this.#granted.get(leaseId);
    switch (held?.stage.is) {
      case 'written':
      case 'orphaned':
      case 'doubtful':
        this.#settle(held, held.stage.taken);
    }
  }

  // What connections do

  /** The answer has been handed to the operating system. */
  written(requester: Requester): void {
    const held = this.#byRequester.get(requester);
    if (held?.stage.is !== 'sent') return;
    const { taken } = held.stage;
    const { clock } = this.#options;
    const timer = clock.setTimer(DOUBT_MS, () => this.#settle(held, taken));
    held.stage = { is: 'written', requester, taken, atMs: clock.monotonicMs(), timer };
    if (held.kind === 'bare') this.#bareWritten.set(held.acquire.leaseId, held);
  }

  /** The client has read the answer: it has gone on. */
  arrived(requester: Requester): void {
    const held = this.#byRequester.get(requester);
    if (held?.stage.is === 'written') this.#settle(held, held.stage.taken);
  }

  ended(requester: Requester, how: Ending): void {
    const held = this.#byRequester.get(requester);
    if (!held) return;
    this.#byRequester.delete(requester);
    const { stage } = held;
    switch (stage.is) {
      case 'held':
      case 'leaving':
        this.#giveUp(held);
        return;
      case 'answering':
      case 'sent':
        this.#orphan(held, stage.taken);
        return;
      case 'written':
        stage.timer.cancel();
        if (how === 'reset') this.#orphan(held, stage.taken);
        else if (this.#options.clock.monotonicMs() - stage.atMs < DOUBT_WITHIN_MS) this.#doubt(held, stage.taken);
        else this.#settle(held, stage.taken);
    }
  }

  /** The server stops: clients repeat held increments at the next one, and grants that did not arrive are given back. */
  sendAllAway(): void {
    // The waiting ones leave first, or they would be granted the slots that are given back.
    const lost: HeldIncrement[] = [];
    for (const held of [...this.#byKey.values()]) {
      const { stage } = held;
      if (stage.is === 'orphaned') lost.push(held);
      if (stage.is !== 'held' && stage.is !== 'leaving') continue;
      this.#giveUp(held);
      stage.requester.answer({ is: 'unavailable' });
    }
    for (const held of lost) this.#giveUp(held);
  }

  /** The server has stopped, or its host has failed: this run is over, and its grants become those of an earlier run. */
  forgetAll(): void {
    const lost: string[] = [];
    for (const held of new Set([...this.#byKey.values(), ...this.#byRequester.values()])) {
      const { stage } = held;
      this.#forget(held);
      if (stage.is === 'orphaned') lost.push(held.acquire.leaseId);
      if (stage.is !== 'held' && stage.is !== 'leaving' && stage.is !== 'answering') continue;
      if (!held.mayBeRepeated) lost.push(held.acquire.leaseId);
      stage.requester.answer({ is: 'unavailable' });
    }
    this.#earlier.end(lost);
  }

  // What repeats do

  /** Lets the request go on from the increment that it repeats. False if that is over. */
  #repeat(held: HeldIncrement, requester: Requester): boolean {
    const { stage } = held;
    switch (stage.is) {
      case 'held':
        stage.timer.cancel();
        this.#sendAway(stage.requester);
        this.#hold(held, requester);
        return true;
      case 'leaving':
        this.#sendAway(stage.requester);
        this.#open(held, requester);
        return true;
      case 'away':
        stage.timer.cancel();
        this.#open(held, requester);
        return true;
      case 'answering':
        this.#sendAway(stage.requester);
        this.#answer(held, requester, stage.taken);
        return true;
      case 'orphaned':
      case 'doubtful':
        stage.timer.cancel();
        if (!this.#options.host.engine.isValid(held.acquire.leaseId, stage.taken.token)) {
          this.#forget(held);
          return false;
        }
        this.#answer(held, requester, stage.taken);
        return true;
      default:
        throw new Error(`a repeat finds an increment that is ${stage.is}`);
    }
  }

  // Transitions

  #begin(
    key: string,
    { kind, holder, ttlMs }: Increment,
    sessionId: string,
    acquire: AcquireRequest,
    listedBefore: readonly ListedLimit[] | null,
  ): HeldIncrement {
    const held: HeldIncrement = {
      key,
      kind,
      mayBeRepeated: holder !== null,
      ttlMs,
      sessionId,
      acquire,
      listedBefore,
      connection: 0,
      place: null,
      stage: { is: 'over' },
      sink: (notice) => this.#receive(held, notice),
    };
    this.#options.host.attach(sessionId, held.sink);
    return held;
  }

  /** Joins the wait queue, or goes back to its position in it. */
  #open(held: HeldIncrement, requester: Requester): void {
    held.connection += 1;
    const { kind, sessionId, connection, ttlMs, acquire, place } = held;
    this.#hold(held, requester);
    const waits = [{ ...acquire, place }];
    const origin = ORIGINS[kind];
    const open = { type: 'session.open', sessionId, connection, lifeline: 'renewal', ttlMs, origin } as const;
    this.#options.host.submit({ ...open, leases: [], waits }, (outcome) => {
      if (outcome.is === 'lost' || !outcome.refusal || held.stage.is !== 'held') return;
      this.#refuse(held, held.stage.requester, outcome.refusal);
    });
  }

  #hold(held: HeldIncrement, requester: Requester): void {
    const timer = this.#options.clock.setTimer(this.#options.holdMs, () => this.#holdIsOver(held, requester));
    held.stage = { is: 'held', requester, timer };
    this.#byKey.set(held.key, held);
    this.#byRequester.set(requester, held);
  }

  #holdIsOver(held: HeldIncrement, requester: Requester): void {
    held.stage = { is: 'leaving', requester };
    const { sessionId, connection } = held;
    this.#options.host.submit({ type: 'session.lost', sessionId, connection, keepMs: REPEAT_MS }, ({ is }) => {
      if (is === 'lost' || held.stage.is !== 'leaving' || held.connection !== connection) return;
      const timer = this.#options.clock.setTimer(REPEAT_MS, () => this.#forget(held));
      held.stage = { is: 'away', timer };
      this.#sendAway(requester);
    });
  }

  #receive(held: HeldIncrement, notice: Notice): void {
    const { stage } = held;
    if (notice.type === 'queued') held.place = notice.place;
    switch (stage.is) {
      case 'held':
      case 'leaving':
        if (notice.type === 'refused') this.#refuse(held, stage.requester, notice.refusal);
        if (notice.type !== 'granted') return;
        if (stage.is === 'held') stage.timer.cancel();
        this.#answer(held, stage.requester, notice.grant);
        return;
      case 'away':
        if (notice.type === 'refused') this.#forget(held);
        return;
      case 'written':
      case 'orphaned':
      case 'doubtful':
        if (notice.type === 'ended') this.#forget(held);
    }
  }

  /**
   * The grant is durable, but the answer also lists the limits as they are now, and their last change may be in the batch that
   * is still open. If they look as they did before the increment was decided, they are durable, too: the answer leaves now,
   * without waiting for a second write. Otherwise it leaves once the change is durable.
   */
  #answer(held: HeldIncrement, requester: Requester, { token, amounts }: Taken): void {
    const stage: Answering = { is: 'answering', requester, taken: { token, amounts } };
    held.stage = stage;
    this.#byKey.set(held.key, held);
    this.#byRequester.set(requester, held);
    this.#granted.set(held.acquire.leaseId, held);
    const limits = this.#listing(held.acquire.amounts.map(([name]) => name));
    if (held.listedBefore && isSameListing(held.listedBefore, limits)) this.#send(held, stage, limits);
    else {
      this.#options.host.confirm(({ is }) => {
        if (is === 'durable' && held.stage === stage) this.#send(held, stage, limits);
      });
    }
  }

  #send(held: HeldIncrement, { requester, taken }: Answering, limits: readonly ListedLimit[]): void {
    held.stage = { is: 'sent', requester, taken };
    this.#byKey.delete(held.key);
    const { amounts } = taken;
    requester.answer({ is: 'granted', leaseId: held.acquire.leaseId, amounts, limits });
    // All its limits were deleted while it waited, so it holds nothing. Only a v2 lease is kept: its client will renew it.
    if (amounts.length === 0 && held.kind !== 'leased') this.#giveUp(held);
  }

  #refuse(held: HeldIncrement, requester: Requester, refusal: Refusal): void {
    this.#forget(held);
    requester.answer({ is: 'refused', refusal });
  }

  #sendAway(requester: Requester): void {
    this.#byRequester.delete(requester);
    requester.answer({ is: 'full' });
  }

  /** Keeps the grant for a repeat, or gives it back. An increment of the same key that waits already is that repeat. */
  #orphan(held: HeldIncrement, taken: Taken): void {
    const repeat = this.#byKey.get(held.key);
    if (repeat && repeat !== held) {
      const { stage } = repeat;
      if (stage.is !== 'held' && stage.is !== 'leaving') {
        this.#giveUp(held);
        return;
      }
      this.#giveUp(repeat);
      this.#answer(held, stage.requester, taken);
    } else if (held.mayBeRepeated) {
      const timer = this.#options.clock.setTimer(REPEAT_MS, () => this.#giveUp(held));
      held.stage = { is: 'orphaned', taken, timer };
      this.#byKey.set(held.key, held);
    } else {
      this.#giveUp(held);
    }
  }

  #doubt(held: HeldIncrement, taken: Taken): void {
    if (this.#byKey.has(held.key) || !held.mayBeRepeated) {
      this.#settle(held, taken);
      return;
    }
    const timer = this.#options.clock.setTimer(DOUBT_MS, () => this.#settle(held, taken));
    held.stage = { is: 'doubtful', taken, timer };
    this.#byKey.set(held.key, held);
  }

  /** The answer has arrived. */
  #settle(held: HeldIncrement, { token }: Taken): void {
    this.#forget(held);
    const { host } = this.#options;
    if (held.kind === 'bare') host.submit({ type: 'release', leaseId: held.acquire.leaseId, token, how: 'untracked' });
  }

  /** Leaves the wait queue, or gives back what has been granted. */
  #giveUp(held: HeldIncrement): void {
    this.#forget(held);
    const { sessionId, connection } = held;
    // The host refuses this if it has started again meanwhile, since it has forgotten the session.
    this.#options.host.submit({ type: 'session.close', sessionId, connection });
  }

  #forget(held: HeldIncrement): void {
    const { stage, key, sessionId, sink } = held;
    if ('timer' in stage) stage.timer.cancel();
    if ('requester' in stage) this.#byRequester.delete(stage.requester);
    if (this.#byKey.get(key) === held) this.#byKey.delete(key);
    this.#granted.delete(held.acquire.leaseId);
    this.#bareWritten.delete(held.acquire.leaseId);
    held.stage = { is: 'over' };
    this.#options.host.detach(sessionId, sink);
  }

  #listing(names: readonly string[]): ListedLimit[] {
    return listing(limitsNamed(this.#options.host.engine.state, names));
  }
}
