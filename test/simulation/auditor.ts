/**
 * The auditor: a second, dumber opinion. It imports nothing of the engine and sees what clients saw (calls, grants,
 * signals, errors), the facts as they reach the journal, and what an observer is shown. What it holds to be promised:
 *
 * - never above a limit, counting who believes to hold and whom the journal has as holding; of a rate, what has not come
 *   back yet, by a clock that is not ahead of the true one;
 * - a grant is durable before anybody learns of it, is delivered once to the client that asked, and its token is its position;
 * - a lease ends only if its holder gave it back, was lost, or its limit was taken away; an acknowledged release is durable;
 * - who came first on one limit is granted first; the first in the line is overtaken a bounded number of times;
 * - nobody waits who could be granted; the reasons of refusals were true;
 * - the journal, replayed, is the server's state, to the byte;
 * - once faults stop, everyone who waits gets an answer, and nothing stays held without a holder.
 *
 * A request without a reply may or may not have happened: it only ever allows, never demands.
 */
import { type Amounts, isIn, isRate, type PlainFact, PlainState } from './auditor-model.ts';
import { GrantOrder } from './grant-order.ts';
import type { Kept } from './overtaking-watch.ts';
import type { View } from './plain-scan.ts';
import { Rounds } from './rounds.ts';
import { SettingsLog } from './settings-log.ts';
import { type Acquire, type Asked, CALM_MS, type Client, Standing } from './standing.ts';

export type PlainFacts = readonly PlainFact[];

export interface Violation {
  readonly rule: string;
  readonly atMs: number;
  readonly text: string;
}

const VIOLATIONS_MAX = 20;
/** What sums of fractions may differ by. */
const ROUNDING = 1e-6;
const never = (): boolean => false;

export class Auditor {
  readonly violations: Violation[] = [];
  readonly #nowMs: () => number;
  readonly #state = new PlainState();
  readonly #acquires = new Map<string, Acquire>();
  readonly standing: Standing;
  /** By limit, who believes to hold it. */
  readonly #believers = new Map<string, Map<Acquire, number>>();
  readonly #settings = new SettingsLog();
  readonly #rounds: Rounds;
  readonly #order = new GrantOrder();
  readonly #latencyMaxMs: number;
  readonly #latestMs: () => number;
  grants = 0;
  /** Acquires that clients have asked for. */
  acquires = 0;

  /** `latestMs`: the latest time that a server can believe it is, by any time that its wall clock has shown. */
  constructor(nowMs: () => number, latestMs: () => number, latencyMaxMs: number) {
    this.#nowMs = nowMs;
    this.#latestMs = latestMs;
    this.#latencyMaxMs = latencyMaxMs;
    this.standing = new Standing(nowMs);
    this.#rounds = new Rounds({
      nowMs,
      state: this.#state,
      acquires: this.#acquires,
      standing: this.standing,
      violation: (rule, text) => this.#violation(rule, text),
    });
  }

  /** It was killed, or has said that it goes. */
  gone(client: Client): void {
    client.isGone = true;
    client.goneAtMs = this.#nowMs();
    for (const acquire of [...client.acquires]) this.#over(acquire);
  }

  // Requests and answers of clients

  called(asked: Asked): Acquire {
    this.acquires += 1;
    const nowMs = this.#nowMs();
    const { id, client, amounts, priority, timeoutMs, onMissing } = asked;
    const acquire: Acquire = {
      id,
      client,
      amounts,
      priority,
      timeoutMs,
      onMissing,
      calledAtMs: nowMs,
      state: 'waiting',
      token: 0,
      sinceMs: nowMs,
      grantedAtMs: -1,
      given: [],
      holds: [],
      isRevoked: false,
      believes: never,
    };
    this.#acquires.set(id, acquire);
    client.acquires.add(acquire);
    this.#rounds.overtaking.called(nowMs, acquire.priority);
    return acquire;
  }

  granted(
    acquire: Acquire,
    grant: { token: number; amounts: readonly { name: string; slots: number }[] },
    believes: () => boolean,
  ): void {
    const { id, client } = acquire;
    const lease = this.#state.leases.get(id);
    this.#lookAtGrant(acquire, grant.amounts);
    if (lease && lease.token !== grant.token)
      this.#violation('the token is the position', `${id} is told token ${grant.token} and has ${lease.token}`);
    else if (!lease && acquire.grantedAtMs !== -1 && !acquire.isRevoked && client.misledUntilMs < this.#nowMs())
      this.#violation(
        'what is delivered as granted is held',
        `${client.name} received the grant of ${id}, which is over`,
      );
    this.#become(acquire, 'held');
    acquire.token = grant.token;
    acquire.believes = believes;
    if (!acquire.isRevoked) {
      for (const [name, slots] of acquire.holds) this.#believersOf(name).set(acquire, slots);
    }
    this.#lookAtOrder(acquire, grant);
  }

  /** What it took of rates is spent; it holds nothing, and has nothing to give back. */
  spent(acquire: Acquire, amounts: readonly { name: string; slots: number }[]): void {
    this.#lookAtGrant(acquire, amounts);
    if (acquire.holds.length > 0)
      this.#violation('what is spent is not held', `${acquire.id} holds ${JSON.stringify(acquire.holds)}`);
    this.#over(acquire);
  }

  #lookAtGrant(acquire: Acquire, amounts: readonly { name: string; slots: number }[]): void {
    const { id, client, state } = acquire;
    this.grants += 1;
    if (state !== 'waiting') this.#violation('a grant is delivered once', `${id} is ${state} and delivered as granted`);
    if (acquire.grantedAtMs === -1)
      this.#violation(
        'durable before delivered',
        `${client.name} received the grant of ${id}, which the journal does not have`,
      );
    else if (!acquire.isRevoked && !isTold(amounts, acquire.given) && !isTold(amounts, this.#given(acquire)))
      this.#violation('what is told is what was granted', `${id} is told ${JSON.stringify(amounts)}`);
  }

  /** A grant as it is delivered again: without what it spent of rates that have been deleted since, or got another decay. */
  #given({ id, given }: Acquire): Amounts {
    const lease = this.#state.leases.get(id);
    return given.filter(([name]) => lease && (isIn(lease.amounts, name) || isIn(lease.spent, name)));
  }

  failed(acquire: Acquire, code: string): void {
    const { id, calledAtMs, timeoutMs, client } = acquire;
    if (acquire.state === 'over') return;
    if (acquire.state !== 'waiting')
      this.#violation('an acquire has one answer', `${id} is ${acquire.state} and fails with ${code}`);
    const elapsedMs = this.#nowMs() - calledAtMs;
    if (code === 'ACQUIRE_TIMEOUT' && timeoutMs !== null && elapsedMs < timeoutMs * 0.98 - 5)
      this.#violation(
        'no timeout before its time',
        `${id} of ${client.name} timed out after ${elapsedMs} of ${timeoutMs} ms`,
      );
    const wrong = this.#settings.whyNot(acquire, code);
    if (wrong)
      this.#violation('what is told as a reason was so', `${id} of ${client.name} failed with ${code}, but ${wrong}`);
    this.#over(acquire);
  }

  /** Its caller does not want it any more; what is granted meanwhile is to go back. */
  gaveUp(acquire: Acquire): void {
    if (acquire.state === 'waiting') this.#over(acquire);
  }

  releasing(acquire: Acquire): void {
    if (acquire.state !== 'held') return;
    this.#disbelieve(acquire);
    this.#become(acquire, 'releasing');
  }

  /** The release was acknowledged. */
  released(acquire: Acquire): void {
    if (acquire.state !== 'releasing') return;
    const { client, sinceMs, id } = acquire;
    const nowMs = this.#nowMs();
    // Otherwise the answer may only mean that the lease would be over by now in any case.
    const isSure = this.standing.isCalm(client, nowMs - sinceMs + client.ttlMs);
    if (isSure && this.#state.leases.get(id)?.token === acquire.token)
      this.#violation(
        'an acknowledged release is durable',
        `${client.name} was told that ${id} is released; the journal has it as held`,
      );
    this.releaseSent(acquire);
  }

  /** The release is on its way, and its caller has gone on: that it arrives is seen by `nothing is held without a holder`. */
  releaseSent(acquire: Acquire): void {
    if (acquire.state !== 'releasing') return;
    const { calledAtMs, client, id } = acquire;
    this.#over(acquire);
    // It was asked for once, on the connection that there is: nothing more can come of it.
    if (this.standing.isCalm(client, this.#nowMs() - calledAtMs) && !this.#state.leases.has(id))
      this.#acquires.delete(id);
  }

  /** `check()` has said that the lease is good, or not. */
  checked(acquire: Acquire, isValid: boolean): void {
    if (!isValid && acquire.state === 'held' && acquire.believes() && this.standing.isCalm(acquire.client, CALM_MS))
      this.#violation('check tells the truth', `check says that ${acquire.id} of ${acquire.client.name} is gone`);
  }

  /** A change of a limit that was asked for at `sinceMs` was acknowledged; null: that it is deleted. Others may have changed it since. */
  changed(name: string, expected: Readonly<Record<string, unknown>> | null, sinceMs: number): void {
    if (!this.#settings.wasSo(name, expected, sinceMs))
      this.#violation(
        'an acknowledged change is durable',
        `'${name}' was told to be ${JSON.stringify(expected)}, which the journal never had`,
      );
  }

  // The journal

  /** These facts have become durable right after `after`. */
  wrote(after: number, facts: PlainFacts): void {
    if (after !== this.#state.position)
      this.#violation('the journal has no gaps', `facts after ${after} follow ${this.#state.position}`);
    for (const fact of facts) {
      const lease = typeof fact.leaseId === 'string' ? this.#state.leases.get(fact.leaseId) : undefined;
      if (fact.type === 'lease.released' || fact.type === 'lease.expired' || fact.type === 'lease.revoked')
        this.#ended(fact);
      if (fact.at > this.#latestMs() + ROUNDING)
        this.#violation('time is not ahead', `${fact.type} is of ${fact.at}, and it is ${this.#latestMs()} at most`);
      const wrong = this.#state.apply(fact);
      if (wrong) this.#violation('facts fit', `${JSON.stringify(fact)} at ${this.#state.position}: ${wrong}`);
      if (fact.type === 'lease.granted') this.#grantIsDurable(fact);
      if (fact.type === 'limit.set' || fact.type === 'limit.deleted') {
        this.#settings.changed(
          this.#nowMs(),
          fact.name as string,
          (fact.settings as { slots: number } | undefined) ?? null,
        );
        this.#rounds.overtaking.clear();
      }
      if (lease?.amounts.length === 0) this.#rounds.overtaking.ended(lease.id);
    }
  }

  /** The server itself has found an invariant broken. */
  broken(message: string): void {
    this.#violation('no invariant breaks', message);
  }

  /** A server that has replayed the journal, or has written all it decided, has this state. */
  compare(position: number, canonicalState: () => string): void {
    if (position < this.#state.position)
      this.#violation('replay equals state', `it is at ${position}, and the journal at ${this.#state.position}`);
    if (position !== this.#state.position) return;
    const own = this.#state.canonical();
    const canonical = canonicalState();
    if (own !== canonical) {
      const at = [...own].findIndex((char, i) => canonical[i] !== char);
      this.#violation(
        'replay equals state',
        `at ${position} they differ: …${own.slice(at - 40, at + 40)}… and …${canonical.slice(at - 40, at + 40)}…`,
      );
    }
  }

  get position(): number {
    return this.#state.position;
  }

  #ended(fact: PlainFact): void {
    const acquire = this.#acquires.get(fact.leaseId as string);
    if (!acquire) return;
    if (fact.type === 'lease.revoked') {
      acquire.isRevoked = true;
      this.#disbelieve(acquire);
    } else if (acquire.state === 'held' && this.standing.believes(acquire)) {
      this.#violation(
        'nothing ends under its holder',
        `${fact.type} of ${acquire.id}, which ${acquire.client.name} believes to hold`,
      );
    } else if (fact.type === 'lease.released' && acquire.state === 'waiting' && !acquire.client.isGone) {
      this.#violation('a release has a cause', `${acquire.id}, which ${acquire.client.name} waits for, was released`);
    }
  }

  #grantIsDurable(fact: PlainFact): void {
    const id = fact.leaseId as string;
    const amounts = fact.amounts as Amounts;
    const acquire = this.#acquires.get(id);
    const nowMs = this.#nowMs();
    if (!acquire) {
      this.#violation('a grant has its acquire', `${id} is granted, and nobody has asked for it`);
      return;
    }
    const { client, onMissing } = acquire;
    acquire.grantedAtMs = nowMs;
    acquire.given = amounts;
    acquire.holds = this.#state.leases.get(id)?.amounts ?? [];
    if (acquire.token > 0 && !this.#mayComeLate(acquire))
      this.#violation(
        'an acquire is granted once',
        `${id} of ${client.name} is granted again, which had token ${acquire.token}`,
      );
    if (client.session !== fact.sessionId)
      this.#violation('a grant goes to who asked', `${id} of ${client.name} is granted to another session`);
    const isAsAsked = amounts.every(([name, slots]) =>
      acquire.amounts.some(([asked, wanted]) => asked === name && wanted === slots),
    );
    if (!isAsAsked || (amounts.length < acquire.amounts.length && onMissing !== 'allow'))
      this.#violation(
        'what is granted was asked for',
        `${JSON.stringify(amounts)} instead of ${JSON.stringify(acquire.amounts)}`,
      );
    for (const [name, slots] of amounts) this.#lookAtBeliefs(acquire, name, slots);
    for (const kept of this.#rounds.overtaking.granted(id, amounts, acquire.calledAtMs)) this.#lookAtRoomKept(id, kept);
  }

  /**
   * What its client asked on a connection that it gave up may reach a server that does not know of a later one: it has just
   * started, or has forgotten a session without a connection. Nobody holds what is granted then: it is to be given back as
   * the client is there again (`nothing is held without a holder`).
   */
  #mayComeLate({ client, state }: Acquire): boolean {
    const isOnLaterConnection = client.isConnected && client.statusAtMs >= this.standing.serverUpSinceMs;
    return (state === 'over' || state === 'releasing') && (client.isGone || !isOnLaterConnection);
  }

  /** What the first in line needs is left to it. Slots of lapsed leases count as left. */
  #lookAtRoomKept(id: string, { ticket, name, slots }: Kept): void {
    const first = this.#acquires.get(ticket);
    if (first?.state !== 'waiting') return;
    const { calledAtMs, client, timeoutMs } = first;
    const endsAtMs = calledAtMs + (timeoutMs ?? Number.POSITIVE_INFINITY) * 0.98;
    // They are counted from 0 again for a waiter that comes back.
    if (endsAtMs <= this.#nowMs() || !this.standing.isCalm(client, this.#nowMs() - calledAtMs)) return;
    const limit = this.#state.limits.get(name);
    if (!limit?.settings.active || limit.settings.slots - limit.level + ROUNDING >= slots) return;
    const hasLapsed = [...this.#state.leases.values()].some((lease) => {
      if (!isIn(lease.amounts, name)) return false;
      const client = this.#acquires.get(lease.id)?.client;
      return !client || !this.standing.isCalm(client, client.ttlMs);
    });
    if (!hasLapsed)
      this.#violation('overtaking is bounded', `${id} takes of '${name}' what ${ticket}, the first in line, needs`);
  }

  /** Never above the limit, counting each client's belief. */
  #lookAtBeliefs(acquire: Acquire, name: string, slots: number): void {
    const limit = this.#state.limits.get(name);
    const believers = this.#believers.get(name);
    if (!limit?.settings.active || isRate(limit) || !believers) return;
    const { settings } = limit;
    let sum = slots;
    for (const [other, theirs] of believers) if (other !== acquire) sum += theirs;
    if (sum <= settings.slots) return;
    sum = slots;
    for (const [other, theirs] of [...believers]) {
      if (other === acquire) continue;
      if (this.standing.believes(other)) sum += theirs;
      else if (!other.client.isPaused && other.client.misledUntilMs < this.#nowMs()) believers.delete(other);
    }
    if (sum > settings.slots)
      this.#violation(
        'never above a limit',
        `with ${acquire.id} ${sum} slots of '${name}' are believed to be held, which has ${settings.slots}`,
      );
  }

  // The order

  /** Strictly in line, among those who want one limit; of those whose connection lasted from the call to the grant. */
  #lookAtOrder(acquire: Acquire, grant: { token: number; amounts: readonly { name: string }[] }): void {
    const { client, calledAtMs, priority, id } = acquire;
    const [single] = acquire.amounts;
    const isUndisturbed =
      client.isConnected &&
      client.statusAtMs < calledAtMs &&
      client.pausedAtMs < calledAtMs &&
      client.disturbedUntilMs < calledAtMs &&
      this.standing.serverDisturbedUntilMs < calledAtMs;
    if (isUndisturbed && acquire.amounts.length === 1 && single && grant.amounts.length === 1) {
      const arrivedAtMs = calledAtMs + this.#latencyMaxMs + 1;
      const passed = this.#order.passed(single[0], grant.token, arrivedAtMs, arrivedAtMs - priority * 1_000);
      if (passed)
        this.#violation(
          'who came first is granted first',
          `${id} of ${client.name}, in line on '${single[0]}' by ${arrivedAtMs}, has token ${grant.token}; ${passed}`,
        );
    }
    const [token, placeMs, toldAtMs] = [grant.token, calledAtMs - priority * 1_000, this.#nowMs()];
    for (const { name } of grant.amounts) this.#order.granted(name, { id, token, calledAtMs, placeMs, toldAtMs });
  }

  // What an observer is shown

  /** All limits, holders and waiters, as of one moment. */
  look(view: View): void {
    this.#rounds.look(view);
  }

  /** Nobody waits, and nothing is held. */
  get isIdle(): boolean {
    return this.#state.leases.size === 0 && [...this.standing.clients].every(({ acquires }) => acquires.size === 0);
  }

  /** Faults have stopped, and clients had time to finish: nobody waits, and nothing is held. */
  finish(): void {
    for (const acquire of this.#acquires.values()) {
      if (acquire.state === 'waiting' || acquire.state === 'releasing')
        this.#violation(
          'everyone is answered in the end',
          `${acquire.id} of ${acquire.client.name} is ${acquire.state} since ${acquire.sinceMs}`,
        );
    }
    for (const { id } of this.#state.leases.values())
      this.#violation('nothing stays held in the end', `${id} of ${this.#acquires.get(id)?.client.name}`);
  }

  // Bookkeeping

  #become(acquire: Acquire, state: Acquire['state']): void {
    acquire.state = state;
    acquire.sinceMs = this.#nowMs();
  }

  #over(acquire: Acquire): void {
    this.#disbelieve(acquire);
    acquire.client.acquires.delete(acquire);
    acquire.believes = never;
    this.#become(acquire, 'over');
  }

  #disbelieve(acquire: Acquire): void {
    if (acquire.state === 'held') for (const [name] of acquire.holds) this.#believers.get(name)?.delete(acquire);
  }

  #believersOf(name: string): Map<Acquire, number> {
    const believers = this.#believers.get(name) ?? new Map<Acquire, number>();
    this.#believers.set(name, believers);
    return believers;
  }

  #violation(rule: string, text: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push({ rule, atMs: this.#nowMs(), text });
  }
}

/** In the same order, too. */
function isTold(told: readonly { readonly name: string; readonly slots: number }[], given: Amounts): boolean {
  return (
    told.length === given.length &&
    given.every(([name, slots], i) => told[i]?.name === name && told[i]?.slots === slots)
  );
}
