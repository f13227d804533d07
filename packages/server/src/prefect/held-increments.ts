/**
 * Increments that wait: held open until the slots are theirs, instead of being polled. Each is a session of the engine
 * with one lease. What is told apart here is who repeats, since a client sends an increment again when its connection
 * failed: by its key, the task run and the tags.
 *
 *   held ──────── granted ──▶ answering ── handed to the socket ──▶ sent ── written ──▶ written
 *    │  ▲                      ▲     │                                │                  │  │
 *    │  │ a repeat             │     │ the connection ended before it was written        │  │ ended in order, at once
 *    │  │                      │     ▼                                ▼                  │  ▼
 *    │  kept ◀── durable ──┐   └── orphaned ◀── the connection was reset after it ───────┘  doubtful
 *    │                     │   a repeat │                                                    │ a repeat: answering
 *    └── the hold is over ─┴▶ leaving   └─ nobody repeats it: it goes back                   └ nobody does: it stays taken
 *
 * A request whose connection ends while it is held leaves the line at once. A repeat of what is held takes over its place,
 * and the older request is sent away. A repeat of what is `written` is another acquire. Refused increments are over.
 */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Amounts, Notice, Place, Refusal } from '@slotkeeper/engine';
import type { Clock, Timer } from '@slotkeeper/protocol';
import type { Replica } from '../replica.ts';
import { limitName, limitsOn, taskRunOf } from './tag-limits.ts';

/** What a request that is sent away is told to wait. */
export const RETRY_AFTER_SECONDS = 0.1;
/** How long a place, or a grant that did not arrive, is kept for a repeat: a stock client's first comes after 2.4 s at the latest. */
const KEEP_MS = 3_000;
/** A connection that ends in order so soon after an answer may have ended before its client read it … */
const DOUBT_WITHIN_MS = 1_000;
/** … and a client that has not repeated it after all its tries will not. */
const DOUBT_MS = 120_000;
/** Tells the sessions of these leases from all others, also after a restart. */
const SESSION_PREFIX = 'prefect-v1:';

export interface IncrementOptions {
  readonly replica: Replica;
  readonly clock: Clock;
  /** How long a request is held at the most. */
  readonly holdMs: number;
  /** The time to live of the leases; null: until they are released. */
  readonly leaseMs: number | null;
}

/** One slot of the limit on each of these tags, for that task run. */
export interface Asked {
  readonly taskRunId: string;
  /** Distinct. */
  readonly tags: readonly string[];
}

export type Outcome =
  | { readonly is: 'granted'; readonly amounts: Amounts }
  /** It will never be granted. */
  | { readonly is: 'refused'; readonly refusal: Refusal }
  /** Not yet: ask again. */
  | { readonly is: 'full' }
  | { readonly is: 'unavailable' };

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
  | { readonly is: 'answering'; readonly requester: Requester; readonly grant: Grant }
  | { readonly is: 'sent'; readonly requester: Requester; readonly grant: Grant }
  | { readonly is: 'written'; readonly requester: Requester; readonly grant: Grant; readonly atMs: number }
  | { readonly is: 'orphaned' | 'doubtful'; readonly grant: Grant; readonly timer: Timer }
  | { readonly is: 'over' };

interface Increment {
  readonly key: string;
  readonly session: string;
  readonly acquire: AcquireRequest;
  connection: number;
  place: Place | null;
  stage: Stage;
  readonly sink: (notice: Notice) => void;
}

export class HeldIncrements {
  readonly #options: IncrementOptions;
  /** Those that a repeat finds. One a key: what is written is not among them. */
  readonly #byKey = new Map<string, Increment>();
  /** Those that an open connection has to do with. */
  readonly #byRequester = new Map<Requester, Increment>();
  /** Leases up to this position were granted in an earlier life; null until it is looked at. */
  #earlierUpTo: number | null = null;
  /** Which of these a repeat has got. */
  readonly #claimed = new Set<string>();

  constructor(options: IncrementOptions) {
    this.#options = options;
    options.replica.on({ failed: () => this.forgetAll() });
  }

  /** Answers at once, when the slots are its own, or when the hold is over. */
  ask(asked: Asked, requester: Requester): void {
    const key = JSON.stringify([asked.taskRunId, [...asked.tags].sort()]);
    const repeated = this.#byKey.get(key);
    if (repeated && this.#repeat(repeated, requester)) return;
    const earlier = this.#earlierGrant(asked, key);
    if (earlier) this.#answer(earlier.increment, requester, earlier.grant);
    else this.#open(this.#newIncrement(key, `${SESSION_PREFIX}${randomUUID()}`, acquireFor(asked)), requester);
  }

  // What connections do

  /** The answer has been handed to the operating system. */
  written(requester: Requester): void {
    const increment = this.#byRequester.get(requester);
    if (increment?.stage.is !== 'sent') return;
    const { grant } = increment.stage;
    increment.stage = { is: 'written', requester, grant, atMs: this.#options.clock.monotonicMs() };
    this.#byKey.delete(increment.key);
  }

  /** The answer has been read: its client has gone on. */
  arrived(requester: Requester): void {
    const increment = this.#byRequester.get(requester);
    if (increment?.stage.is === 'written') this.#forget(increment);
  }

  ended(requester: Requester, how: Ending): void {
    const increment = this.#byRequester.get(requester);
    if (!increment) return;
    this.#byRequester.delete(requester);
    const { stage } = increment;
    switch (stage.is) {
      case 'held':
      case 'leaving':
        this.#giveUp(increment);
        return;
      case 'answering':
      case 'sent':
        this.#orphan(increment, stage.grant);
        return;
      case 'written':
        if (how === 'reset') this.#orphan(increment, stage.grant);
        else if (this.#options.clock.monotonicMs() - stage.atMs < DOUBT_WITHIN_MS) this.#doubt(increment, stage.grant);
        else this.#forget(increment);
    }
  }

  /** The server stops: what is held is to be asked again of the next one, and what did not arrive goes back. */
  sendAllAway(): void {
    // First those who wait, so that nothing that goes back is granted to them.
    const lost: Increment[] = [];
    for (const increment of [...this.#byKey.values()]) {
      const { stage } = increment;
      if (stage.is === 'orphaned') lost.push(increment);
      if (stage.is !== 'held' && stage.is !== 'leaving') continue;
      this.#giveUp(increment);
      stage.requester.answer({ is: 'unavailable' });
    }
    for (const increment of lost) this.#giveUp(increment);
  }

  /** The server has stopped, or starts again: nobody is waited for any more, and what is granted is of an earlier life. */
  forgetAll(): void {
    this.#earlierUpTo = null;
    this.#claimed.clear();
    for (const increment of new Set([...this.#byKey.values(), ...this.#byRequester.values()])) {
      const { stage } = increment;
      this.#forget(increment);
      if (stage.is === 'held' || stage.is === 'leaving' || stage.is === 'answering') {
        stage.requester.answer({ is: 'unavailable' });
      }
    }
  }

  // What repeats do

  /** Whether the request goes on from what it repeats. */
  #repeat(increment: Increment, requester: Requester): boolean {
    const { stage } = increment;
    switch (stage.is) {
      case 'held':
        stage.timer.cancel();
        this.#sendAway(stage.requester);
        this.#hold(increment, requester);
        return true;
      case 'leaving':
        this.#sendAway(stage.requester);
        this.#open(increment, requester);
        return true;
      case 'kept':
        stage.timer.cancel();
        this.#open(increment, requester);
        return true;
      case 'answering':
        this.#sendAway(stage.requester);
        this.#answer(increment, requester, stage.grant);
        return true;
      case 'sent':
        this.#byRequester.delete(stage.requester);
        this.#answer(increment, requester, stage.grant);
        return true;
      case 'orphaned':
      case 'doubtful':
        stage.timer.cancel();
        if (!this.#isGood(increment.acquire.lease, stage.grant.token)) {
          this.#forget(increment);
          return false;
        }
        this.#answer(increment, requester, stage.grant);
        return true;
      default:
        throw new Error(`a repeat finds an increment that is ${stage.is}`);
    }
  }

  /** A lease that was granted before the server started, to the same task run on the same limits: once each. */
  #earlierGrant({ taskRunId, tags }: Asked, key: string): { increment: Increment; grant: Grant } | undefined {
    const { state } = this.#options.replica.engine;
    this.#earlierUpTo ??= state.position;
    const wanted = new Set(
      limitsOn(state, tags)
        .filter(({ settings }) => settings.active)
        .map(({ name }) => name),
    );
    const [first] = wanted;
    for (const lease of (first !== undefined && state.limits.get(first)?.leases.values()) || []) {
      if (lease.token > this.#earlierUpTo) return undefined;
      if (taskRunOf(lease) !== taskRunId || !lease.session.startsWith(SESSION_PREFIX)) continue;
      if (lease.amounts.size !== wanted.size || ![...lease.amounts.keys()].every((name) => wanted.has(name))) continue;
      if (this.#claimed.has(lease.id) || !this.#isGood(lease.id, lease.token)) continue;
      this.#claimed.add(lease.id);
      const acquire = { ...acquireFor({ taskRunId, tags }), lease: lease.id };
      const increment = this.#newIncrement(key, lease.session, acquire);
      return { increment, grant: { token: lease.token, amounts: [...lease.amounts] } };
    }
    return undefined;
  }

  #isGood(lease: string, token: number): boolean {
    return this.#options.replica.engine.isValid(lease, token);
  }

  // Transitions

  #newIncrement(key: string, session: string, acquire: AcquireRequest): Increment {
    const increment: Increment = {
      key,
      session,
      acquire,
      connection: 0,
      place: null,
      stage: { is: 'over' },
      sink: (notice) => this.#hear(increment, notice),
    };
    this.#options.replica.attach(session, increment.sink);
    return increment;
  }

  /** Joins the line, or goes back to its place in it. */
  #open(increment: Increment, requester: Requester): void {
    const { replica, leaseMs } = this.#options;
    increment.connection += 1;
    const { session, connection, acquire, place } = increment;
    this.#hold(increment, requester);
    const waits = [{ ...acquire, place }];
    const open = { type: 'session.open', session, connection, lifeline: 'renewal', ttlMs: leaseMs } as const;
    replica.submit({ ...open, leases: [], waits }, (refusal) => {
      if (refusal && increment.stage.is === 'held') this.#refuse(increment, increment.stage.requester, refusal);
    });
  }

  #hold(increment: Increment, requester: Requester): void {
    const timer = this.#options.clock.setTimer(this.#options.holdMs, () => this.#holdIsOver(increment, requester));
    increment.stage = { is: 'held', requester, timer };
    this.#byKey.set(increment.key, increment);
    this.#byRequester.set(requester, increment);
  }

  /** A grant that was decided before it left the line is still its own: it is known when the leaving is durable. */
  #holdIsOver(increment: Increment, requester: Requester): void {
    increment.stage = { is: 'leaving', requester };
    const { session, connection } = increment;
    this.#options.replica.submit({ type: 'session.lost', session, connection, keepMs: KEEP_MS }, () => {
      if (increment.stage.is !== 'leaving' || increment.connection !== connection) return;
      const timer = this.#options.clock.setTimer(KEEP_MS, () => this.#forget(increment));
      increment.stage = { is: 'kept', timer };
      this.#sendAway(requester);
    });
  }

  #hear(increment: Increment, notice: Notice): void {
    const { stage } = increment;
    if (notice.type === 'queued') increment.place = notice.place;
    switch (stage.is) {
      case 'held':
      case 'leaving':
        if (notice.type === 'refused') this.#refuse(increment, stage.requester, notice.refusal);
        if (notice.type !== 'granted') return;
        if (stage.is === 'held') stage.timer.cancel();
        this.#answer(increment, stage.requester, notice.grant);
        return;
      case 'kept':
        if (notice.type === 'refused') this.#forget(increment);
        return;
      case 'written':
      case 'orphaned':
      case 'doubtful':
        if (notice.type === 'ended') this.#forget(increment);
    }
  }

  /** What is told of the limits has to be durable, too. */
  #answer(increment: Increment, requester: Requester, { token, amounts }: Grant): void {
    const grant = { token, amounts };
    const stage: Stage = { is: 'answering', requester, grant };
    increment.stage = stage;
    this.#byKey.set(increment.key, increment);
    this.#byRequester.set(requester, increment);
    this.#options.replica.tell(() => {
      if (increment.stage !== stage) return;
      increment.stage = { is: 'sent', requester, grant };
      requester.answer({ is: 'granted', amounts });
      // Its limits have been deleted while it waited: there is nothing to keep.
      if (amounts.length === 0) this.#giveUp(increment);
    });
  }

  #refuse(increment: Increment, requester: Requester, refusal: Refusal): void {
    this.#forget(increment);
    requester.answer({ is: 'refused', refusal });
  }

  #sendAway(requester: Requester): void {
    this.#byRequester.delete(requester);
    requester.answer({ is: 'full' });
  }

  /** It goes back unless a repeat gets it. One that waits already is that repeat. */
  #orphan(increment: Increment, grant: Grant): void {
    const repeat = this.#byKey.get(increment.key);
    if (repeat && repeat !== increment) {
      const { stage } = repeat;
      if (stage.is !== 'held' && stage.is !== 'leaving') {
        this.#giveUp(increment);
        return;
      }
      this.#giveUp(repeat);
      this.#answer(increment, stage.requester, grant);
      return;
    }
    const timer = this.#options.clock.setTimer(KEEP_MS, () => this.#giveUp(increment));
    increment.stage = { is: 'orphaned', grant, timer };
    this.#byKey.set(increment.key, increment);
  }

  #doubt(increment: Increment, grant: Grant): void {
    if (this.#byKey.has(increment.key)) {
      this.#forget(increment);
      return;
    }
    const timer = this.#options.clock.setTimer(DOUBT_MS, () => this.#forget(increment));
    increment.stage = { is: 'doubtful', grant, timer };
    this.#byKey.set(increment.key, increment);
  }

  /** Leaves the line, or gives back what has been granted. */
  #giveUp(increment: Increment): void {
    this.#forget(increment);
    const { session, connection } = increment;
    const { replica } = this.#options;
    // One that starts again has forgotten it.
    if (replica.ready) replica.submit({ type: 'session.close', session, connection });
  }

  #forget(increment: Increment): void {
    const { stage, key, session, sink } = increment;
    if ('timer' in stage) stage.timer.cancel();
    if ('requester' in stage) this.#byRequester.delete(stage.requester);
    if (this.#byKey.get(key) === increment) this.#byKey.delete(key);
    increment.stage = { is: 'over' };
    this.#options.replica.detach(session, sink);
  }
}

function acquireFor({ taskRunId, tags }: Asked): AcquireRequest {
  return {
    lease: randomUUID(),
    amounts: tags.map((tag) => [limitName(tag), 1]),
    timeoutMs: null,
    priority: 0,
    holder: { type: 'task_run', id: taskRunId, label: null, host: null, pid: null },
    onMissing: 'allow',
    skipInactive: true,
    place: null,
  };
}
