/**
 * Increments that wait: held open until the slots are theirs, instead of being polled. Each is a session of the engine
 * with one lease. What is told apart here is who repeats, since a client sends an increment again when its connection
 * failed: by its key, the holder or else the connection, the names and the slots.
 *
 *   held ──────── granted ──▶ answering ── handed to the socket ──▶ sent ── written ──▶ written ── arrived ──▶ over
 *    │  ▲                      ▲     │                                │                  │  │
 *    │  │ a repeat             │     │ the connection ended before it was written        │  │ ended in order, at once
 *    │  │                      │     ▼                                ▼                  │  ▼
 *    │  kept ◀── durable ──┐   └── orphaned ◀── the connection was reset after it ───────┘  doubtful
 *    │                     │   a repeat │                                                    │ a repeat: answering
 *    └── the hold is over ─┴▶ leaving   └─ nobody repeats it: it goes back                   └ nobody does: it has arrived
 *
 * A grant that is renewed or given back under its id has arrived, too, whatever became of its connection.
 * A request whose connection ends while it is held leaves the line at once. A repeat of what is held takes over its place,
 * and the older request is sent away. What comes after an answer has been sent, and its connection has not ended, is
 * another acquire. Refused increments are over.
 * Once a bare increment's answer has arrived, its slots are left taken without a lease.
 */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Amounts, Limit, Notice, Place, Refusal } from '@slotkeeper/engine';
import { slotsWithoutLease } from '@slotkeeper/engine';
import type { Clock, Timer } from '@slotkeeper/protocol';
import type { Host } from '../host.ts';
import { EarlierGrants } from './earlier-grants.ts';
import { acquireFor, type Increment, type Kind, keyOf, ORIGINS, type Outcome } from './increment.ts';

/** How long a place, or a grant that did not arrive, is kept for a repeat: a stock client's first comes after 2.4 s at the latest. */
const KEEP_MS = 3_000;
/** A connection that ends in order so soon after an answer may have ended before its client read it … */
const DOUBT_WITHIN_MS = 1_000;
/** … and a client that has not repeated it after all its tries, or still waits for it, will not. */
const DOUBT_MS = 120_000;

export interface HeldOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** How long a request is held at the most. */
  readonly holdMs: number;
}

/** The end of a request that waits for an answer. It gets exactly one, unless its connection ends before. */
export interface Requester {
  answer(outcome: Outcome): void;
}

/** How a connection ended: before the answer was written to it, or after: in order, or reset by a peer that had not read all. */
export type Ending = 'unwritten' | 'in order' | 'reset';

interface Grant {
  readonly token: number;
  readonly amounts: Amounts;
}

type Stage =
  | { readonly is: 'held'; readonly requester: Requester; readonly timer: Timer }
  | { readonly is: 'leaving'; readonly requester: Requester }
  | { readonly is: 'kept'; readonly timer: Timer }
  | { readonly is: 'answering' | 'sent'; readonly requester: Requester; readonly grant: Grant }
  | {
      readonly is: 'written';
      readonly requester: Requester;
      readonly grant: Grant;
      readonly atMs: number;
      readonly timer: Timer;
    }
  | { readonly is: 'orphaned' | 'doubtful'; readonly grant: Grant; readonly timer: Timer }
  | { readonly is: 'over' };

interface Held {
  readonly key: string;
  readonly kind: Kind;
  /** A client without a holder that comes back over another connection cannot be told from others. */
  readonly mayBeRepeated: boolean;
  readonly ttlMs: number | null;
  readonly session: string;
  readonly acquire: AcquireRequest;
  connection: number;
  place: Place | null;
  stage: Stage;
  readonly sink: (notice: Notice) => void;
}

export class HeldIncrements {
  readonly #options: HeldOptions;
  readonly #earlier: EarlierGrants;
  /** Those that a repeat finds. One a key: what is sent or written is not among them. */
  readonly #byKey = new Map<string, Held>();
  /** Those that an open connection has to do with. */
  readonly #byRequester = new Map<Requester, Held>();
  /** Those that are granted, by their leases. */
  readonly #granted = new Map<string, Held>();
  /** Of these the bare ones that are `written`. */
  readonly #bareWritten = new Map<string, Held>();

  constructor(options: HeldOptions) {
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
      const { id, sessionId: session, token, amounts } = earlier;
      const held = this.#newHeld(key, increment, session, { ...acquire, leaseId: id });
      this.#answer(held, requester, { token, amounts });
    } else {
      this.#open(this.#newHeld(key, increment, randomUUID(), acquire), requester);
    }
  }

  /**
   * To be called before slots of the limit that are taken without a lease are given back or set: whoever does so has heard
   * of them. As many bare increments as that takes have arrived.
   */
  arrivedOn(limit: Limit, slots: number): void {
    this.#earlier.begin();
    const { nowMs } = this.#options.host;
    for (const [lease, held] of this.#bareWritten) {
      if (slotsWithoutLease(limit, nowMs) >= slots) return;
      if (held.stage.is === 'written' && limit.leases.has(lease)) this.#settle(held, held.stage.grant);
    }
  }

  /** To be called when a client names a lease to renew it or to give it back: only the answer can have told it. */
  arrivedAs(lease: string): void {
    this.#earlier.begin();
    this.#earlier.arrived(lease);
    const held = this.#granted.get(lease);
    switch (held?.stage.is) {
      case 'written':
      case 'orphaned':
      case 'doubtful':
        this.#settle(held, held.stage.grant);
    }
  }

  // What connections do

  /** The answer has been handed to the operating system. */
  written(requester: Requester): void {
    const held = this.#byRequester.get(requester);
    if (held?.stage.is !== 'sent') return;
    const { grant } = held.stage;
    const { clock } = this.#options;
    const timer = clock.setTimer(DOUBT_MS, () => this.#settle(held, grant));
    held.stage = { is: 'written', requester, grant, atMs: clock.monotonicMs(), timer };
    if (held.kind === 'bare') this.#bareWritten.set(held.acquire.leaseId, held);
  }

  /** The answer has been read: its client has gone on. */
  arrived(requester: Requester): void {
    const held = this.#byRequester.get(requester);
    if (held?.stage.is === 'written') this.#settle(held, held.stage.grant);
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
        this.#orphan(held, stage.grant);
        return;
      case 'written':
        stage.timer.cancel();
        if (how === 'reset') this.#orphan(held, stage.grant);
        else if (this.#options.clock.monotonicMs() - stage.atMs < DOUBT_WITHIN_MS) this.#doubt(held, stage.grant);
        else this.#settle(held, stage.grant);
    }
  }

  /** The server stops: what is held is to be asked again of the next one, and what did not arrive goes back. */
  sendAllAway(): void {
    // First those who wait, so that nothing that goes back is granted to them.
    const lost: Held[] = [];
    for (const held of [...this.#byKey.values()]) {
      const { stage } = held;
      if (stage.is === 'orphaned') lost.push(held);
      if (stage.is !== 'held' && stage.is !== 'leaving') continue;
      this.#giveUp(held);
      stage.requester.answer({ is: 'unavailable' });
    }
    for (const held of lost) this.#giveUp(held);
  }

  /** The server has stopped, or starts again: nobody is waited for any more, and what is granted is of an earlier life. */
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

  /** Whether the request goes on from what it repeats. */
  #repeat(held: Held, requester: Requester): boolean {
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
      case 'kept':
        stage.timer.cancel();
        this.#open(held, requester);
        return true;
      case 'answering':
        this.#sendAway(stage.requester);
        this.#answer(held, requester, stage.grant);
        return true;
      case 'orphaned':
      case 'doubtful':
        stage.timer.cancel();
        if (!this.#options.host.engine.isValid(held.acquire.leaseId, stage.grant.token)) {
          this.#forget(held);
          return false;
        }
        this.#answer(held, requester, stage.grant);
        return true;
      default:
        throw new Error(`a repeat finds an increment that is ${stage.is}`);
    }
  }

  // Transitions

  #newHeld(key: string, { kind, holder, ttlMs }: Increment, session: string, acquire: AcquireRequest): Held {
    const held: Held = {
      key,
      kind,
      mayBeRepeated: holder !== null,
      ttlMs,
      session,
      acquire,
      connection: 0,
      place: null,
      stage: { is: 'over' },
      sink: (notice) => this.#hear(held, notice),
    };
    this.#options.host.attach(session, held.sink);
    return held;
  }

  /** Joins the line, or goes back to its place in it. */
  #open(held: Held, requester: Requester): void {
    held.connection += 1;
    const { kind, session: sessionId, connection, ttlMs, acquire, place } = held;
    this.#hold(held, requester);
    const waits = [{ ...acquire, place }];
    const origin = ORIGINS[kind];
    const open = { type: 'session.open', sessionId, connection, lifeline: 'renewal', ttlMs, origin } as const;
    this.#options.host.submit({ ...open, leases: [], waits }, (outcome) => {
      if (outcome.is === 'lost') this.forgetAll();
      else if (outcome.refusal && held.stage.is === 'held') this.#refuse(held, held.stage.requester, outcome.refusal);
    });
  }

  #hold(held: Held, requester: Requester): void {
    const timer = this.#options.clock.setTimer(this.#options.holdMs, () => this.#holdIsOver(held, requester));
    held.stage = { is: 'held', requester, timer };
    this.#byKey.set(held.key, held);
    this.#byRequester.set(requester, held);
  }

  /** A grant that was decided before it left the line is still its own: it is known when the leaving is durable. */
  #holdIsOver(held: Held, requester: Requester): void {
    held.stage = { is: 'leaving', requester };
    const { session, connection } = held;
    const lost = { type: 'session.lost', sessionId: session, connection, keepMs: KEEP_MS } as const;
    this.#options.host.submit(lost, ({ is }) => {
      if (is === 'lost') this.forgetAll();
      if (held.stage.is !== 'leaving' || held.connection !== connection) return;
      const timer = this.#options.clock.setTimer(KEEP_MS, () => this.#forget(held));
      held.stage = { is: 'kept', timer };
      this.#sendAway(requester);
    });
  }

  #hear(held: Held, notice: Notice): void {
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
      case 'kept':
        if (notice.type === 'refused') this.#forget(held);
        return;
      case 'written':
      case 'orphaned':
      case 'doubtful':
        if (notice.type === 'ended') this.#forget(held);
    }
  }

  /** What is told of the limits has to be durable, too. */
  #answer(held: Held, requester: Requester, { token, amounts }: Grant): void {
    const grant = { token, amounts };
    const stage: Stage = { is: 'answering', requester, grant };
    held.stage = stage;
    this.#byKey.set(held.key, held);
    this.#byRequester.set(requester, held);
    this.#granted.set(held.acquire.leaseId, held);
    this.#options.host.confirm(({ is }) => {
      if (is === 'lost') this.forgetAll();
      if (held.stage !== stage) return;
      held.stage = { is: 'sent', requester, grant };
      this.#byKey.delete(held.key);
      requester.answer({ is: 'granted', lease: held.acquire.leaseId, amounts });
      // Its limits have been deleted while it waited: there is nothing to keep, but for a lease, which has an id to be renewed by.
      if (amounts.length === 0 && held.kind !== 'leased') this.#giveUp(held);
    });
  }

  #refuse(held: Held, requester: Requester, refusal: Refusal): void {
    this.#forget(held);
    requester.answer({ is: 'refused', refusal });
  }

  #sendAway(requester: Requester): void {
    this.#byRequester.delete(requester);
    requester.answer({ is: 'full' });
  }

  /** It goes back unless a repeat gets it. One that waits already is that repeat. */
  #orphan(held: Held, grant: Grant): void {
    const repeat = this.#byKey.get(held.key);
    if (repeat && repeat !== held) {
      const { stage } = repeat;
      if (stage.is !== 'held' && stage.is !== 'leaving') {
        this.#giveUp(held);
        return;
      }
      this.#giveUp(repeat);
      this.#answer(held, stage.requester, grant);
    } else if (held.mayBeRepeated) {
      const timer = this.#options.clock.setTimer(KEEP_MS, () => this.#giveUp(held));
      held.stage = { is: 'orphaned', grant, timer };
      this.#byKey.set(held.key, held);
    } else {
      this.#giveUp(held);
    }
  }

  #doubt(held: Held, grant: Grant): void {
    if (this.#byKey.has(held.key) || !held.mayBeRepeated) {
      this.#settle(held, grant);
      return;
    }
    const timer = this.#options.clock.setTimer(DOUBT_MS, () => this.#settle(held, grant));
    held.stage = { is: 'doubtful', grant, timer };
    this.#byKey.set(held.key, held);
  }

  /** The answer has arrived. */
  #settle(held: Held, { token }: Grant): void {
    this.#forget(held);
    const { host } = this.#options;
    if (held.kind === 'bare') host.submit({ type: 'release', leaseId: held.acquire.leaseId, token, how: 'left' });
  }

  /** Leaves the line, or gives back what has been granted. */
  #giveUp(held: Held): void {
    this.#forget(held);
    const { session, connection } = held;
    // A host that starts again has forgotten it.
    this.#options.host.submit({ type: 'session.close', sessionId: session, connection });
  }

  #forget(held: Held): void {
    const { stage, key, session, sink } = held;
    if ('timer' in stage) stage.timer.cancel();
    if ('requester' in stage) this.#byRequester.delete(stage.requester);
    if (this.#byKey.get(key) === held) this.#byKey.delete(key);
    this.#granted.delete(held.acquire.leaseId);
    this.#bareWritten.delete(held.acquire.leaseId);
    held.stage = { is: 'over' };
    this.#options.host.detach(session, sink);
  }
}
