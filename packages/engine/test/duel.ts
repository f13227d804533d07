/**
 * The engine and the model, side by side: every command goes to both, and after each step they must agree in who holds,
 * who waits where, what was granted in which order, and what was said. The facts are replayed beside them, and the
 * invariants of design.md are checked on the way.
 */
import {
  type Command,
  canonical,
  Engine,
  emptyState,
  evolve,
  type Fact,
  type Notice,
  type Place,
  type State,
  type Step,
} from '../src/index.ts';
import { auditFact, auditState, takenNow } from './audit.ts';
import { Model, type Outcome } from './model.ts';

export class Duel {
  engine: Engine;
  /** As in the year 2026: so many milliseconds leave a double few digits for fractions. */
  nowMs = 1_790_000_000_000;
  readonly model = new Model();
  readonly facts: Fact[] = [];
  #replayed: State = emptyState();
  #epoch = 1;
  /** The model counts tokens and places in its own way. */
  readonly #modelTokens = new Map<number, number>();
  readonly #modelPlaces = new Map<string, Place>();

  constructor() {
    this.engine = new Engine(emptyState(), { epoch: 1, nowMs: this.nowMs });
  }

  step(command: Command): Step {
    const connected = this.#connected();
    const opened = command.type === 'session.open' ? [command.sessionId] : [];
    const step = this.engine.step(command, this.nowMs);
    const outcome = this.model.step(this.#forModel(command), this.nowMs);
    this.#replay(step.facts);
    this.#sameAnswers(step, outcome, new Set([...connected, ...opened, ...this.#connected()]));
    this.#sameState();
    this.#sameReservations();
    auditState(this.engine, this.model.heldBackUntilMs !== null);
    return step;
  }

  /** Ticks until nothing is due any more. */
  tick(): Step[] {
    const steps = [this.step({ type: 'tick' })];
    while (this.engine.wakeAtMs !== null && this.engine.wakeAtMs <= this.nowMs) {
      if (steps.length > 5)
        throw new Error(`after ${steps.length} ticks at ${this.nowMs} the engine wants another one`);
      steps.push(this.step({ type: 'tick' }));
    }
    return steps;
  }

  /** Lets time pass as a punctual host would: with a tick at each wake-up. */
  sleep(ms: number): Step[] {
    const untilMs = this.nowMs + ms;
    const steps: Step[] = [];
    for (;;) {
      const wakeAtMs = this.engine.wakeAtMs ?? Number.POSITIVE_INFINITY;
      this.#nobodyFitsBefore(Math.min(wakeAtMs, untilMs));
      if (wakeAtMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, wakeAtMs);
      steps.push(...this.tick());
      if (steps.length > 20 + ms / 10) throw new Error(`within ${ms} ms it was woken ${steps.length} times`);
    }
    this.nowMs = untilMs;
    return steps;
  }

  /** As slots come back by themselves, the engine is to be woken the moment somebody fits. */
  #nobodyFitsBefore(atMs: number): void {
    const beforeMs = atMs - MOMENT_MS;
    const lease = beforeMs > this.nowMs ? this.model.firstToGrantAt(beforeMs) : undefined;
    if (lease) throw new Error(`${lease} fits at ${beforeMs}, but the engine wants to be woken at ${atMs}`);
  }

  /** A new process takes over from the journal alone. */
  restart(): void {
    this.#epoch += 1;
    const state = emptyState();
    for (const fact of this.facts) evolve(state, fact);
    expectSame('the replayed state', canonical(state), canonical(this.engine.state));
    this.engine = new Engine(state, { epoch: this.#epoch, nowMs: this.nowMs });
    this.model.restart(this.nowMs);
    this.#sameState();
  }

  #replay(facts: readonly Fact[]): void {
    for (const fact of facts) {
      evolve(this.#replayed, fact);
      this.facts.push(fact);
      auditFact(this.#replayed, fact);
    }
    expectSame('the replayed state', canonical(this.#replayed), canonical(this.engine.state));
  }

  #sameAnswers(step: Step, outcome: Outcome, connected: ReadonlySet<string>): void {
    const said = <T extends Notice['type']>(type: T) =>
      step.notices.filter((notice): notice is Extract<Notice, { type: T }> => notice.type === type);
    const facts = <T extends Fact['type']>(type: T) =>
      step.facts.filter((fact): fact is Extract<Fact, { type: T }> => fact.type === type);
    const isConnected = ({ sessionId }: { sessionId: string }) => connected.has(sessionId);

    this.#translate(step.notices, outcome);
    this.#sameGrants(facts('lease.granted'), said('granted'), outcome);
    this.#sameRefusals(said('refused').filter(isConnected), outcome);
    const waiting = new Set(this.model.waiters.map(({ lease }) => lease));
    expectSame(
      'who is told its place',
      sorted(
        said('queued')
          .filter(({ leaseId: lease }) => waiting.has(lease))
          .map(({ leaseId: lease, place }) => [lease, place.atMs]),
      ),
      sorted(outcome.queued.map(({ lease, place }) => [lease, place.atMs])),
    );
    expectSame(
      'whose lease ended',
      sorted(
        said('ended')
          .filter(isConnected)
          .map(({ sessionId: session, leaseId: lease, refusal }) => [session, lease, refusal.code]),
      ),
      sorted(
        outcome.ended
          .filter(({ session }) => connected.has(session))
          .map(({ session, lease, code }) => [session, lease, code]),
      ),
    );
    expectSame(
      'who is disconnected',
      sorted(said('disconnect').map(({ sessionId: session, reason }) => [session, reason])),
      sorted(outcome.disconnected.map(({ session, reason }) => [session, reason])),
    );
    expectSame(
      'which leases expired',
      sorted(facts('lease.expired').map(({ leaseId: lease }) => lease)),
      sorted(outcome.expired),
    );
    expectSame('the refusal of the command', step.refusal?.code, outcome.refusal);
  }

  /** Remembers which token and place of the model stands for which of the engine. */
  #translate(notices: readonly Notice[], outcome: Outcome): void {
    for (const notice of notices) {
      if (notice.type === 'granted') {
        const own = outcome.granted.find(({ lease }) => lease === notice.leaseId);
        if (own) this.#modelTokens.set(notice.grant.token, own.token);
      } else if (notice.type === 'queued') {
        const own = outcome.queued.find(({ lease }) => lease === notice.leaseId);
        if (own) this.#modelPlaces.set(placeKey(notice.place), own.place);
      }
    }
  }

  #sameGrants(facts: readonly Granted<Fact>[], notices: readonly Granted<Notice>[], outcome: Outcome): void {
    expectSame(
      'the order of grants',
      facts.map(({ leaseId: lease, amounts }) => [lease, amounts]),
      outcome.granted.filter(({ isNew }) => isNew).map(({ lease, amounts }) => [lease, amounts]),
    );
    expectSame(
      'what is told of grants',
      sorted(
        notices.map(({ leaseId: lease, grant: { token, amounts, warnings } }) => [
          lease,
          this.#modelTokens.get(token),
          sorted(amounts),
          warnings.map(({ code, limit }) => `${code} ${limit}`).sort(),
        ]),
      ),
      sorted(
        outcome.granted.map(({ lease, token, amounts, warnings }) => [lease, token, sorted(amounts), warnings.sort()]),
      ),
    );
  }

  #sameRefusals(notices: readonly Extract<Notice, { type: 'refused' }>[], outcome: Outcome): void {
    const refused = notices.map(({ leaseId: lease, refusal: { code } }) => {
      const codes = outcome.refused.find((other) => other.lease === lease)?.codes ?? [];
      return { lease, codes: codes.includes(code) ? codes : [code] };
    });
    expectSame('who is refused', sorted(refused), sorted(outcome.refused));
  }

  #connected(): string[] {
    return this.model.sessions.filter(({ connection }) => connection !== null).map(({ id }) => id);
  }

  /** What the others reserve against the last in the wait queue: with nobody left out, and with each of them. */
  #sameReservations(): void {
    const last = this.engine.waiters(null).at(-1);
    if (!last) return;
    const ahead = this.model.line();
    const asked = [[], ...ahead.map(({ lease }) => [lease]), ahead.slice(0, 2).map(({ lease }) => lease)];
    for (const { name } of last.limits) {
      expectSame(
        `what is reserved of ${name}`,
        asked.map((leftOut) => this.engine.reserved(name, last.place, new Set(leftOut))),
        asked.map((leftOut) => this.model.reserved(name, last.ticket, new Set(leftOut))),
      );
    }
  }

  #sameState(): void {
    expectSame(
      'who holds',
      [...this.engine.state.leases.values()].map(({ id, sessionId: session, amounts, spent }) => ({
        id,
        session,
        amounts: [...amounts],
        spent,
      })),
      this.model.leases.map(({ lease, session, amounts, spent }) => ({
        id: lease,
        session,
        amounts: [...amounts],
        spent: [...spent],
      })),
    );
    expectSame(
      'who waits',
      this.engine.waiters(null).map(({ ticket, limits, connected, blockedOn }) => ({
        ticket,
        amounts: limits.map(({ name, slots }) => [name, slots]),
        connected,
        blockedOn,
      })),
      this.model.line().map(({ lease, amounts, connected, parkedOn }) => ({
        ticket: lease,
        amounts,
        connected,
        blockedOn: parkedOn,
      })),
    );
    expectSame(
      'the limits',
      sorted(
        [...this.engine.state.limits.values()].map(({ name, usage, settings: s }) => [
          name,
          usage.held,
          s.slotDecayPerSecond,
          takenNow(usage, this.nowMs),
          s.slots,
          s.active,
          s.mode,
        ]),
      ),
      sorted(
        this.model.limits.map(({ name, slots, slotDecayPerSecond, active, mode }) => [
          name,
          this.model.held(name),
          slotDecayPerSecond,
          this.model.level(name, this.nowMs),
          slots,
          active,
          mode,
        ]),
      ),
    );
    const nextMs = this.model.wakeAtMs();
    const dueAtMs = nextMs && Math.max(nextMs, this.nowMs);
    if (dueAtMs !== null && (this.engine.wakeAtMs === null || this.engine.wakeAtMs > dueAtMs)) {
      throw new Error(`the engine wants to be woken at ${this.engine.wakeAtMs}, but at ${dueAtMs} something is due`);
    }
  }

  #forModel(command: Command): Command {
    const tokenOf = (token: number) => this.#modelTokens.get(token) ?? -token;
    const placeOf = (place: Place | null) => (place && this.#modelPlaces.get(placeKey(place))) ?? place;
    if (command.type === 'release') return { ...command, token: tokenOf(command.token) };
    if (command.type !== 'session.open') return command;
    return {
      ...command,
      leases: command.leases.map(([lease, token]) => [lease, tokenOf(token)]),
      waits: command.waits.map((wait) => ({ ...wait, place: placeOf(wait.place) })),
    };
  }
}

type Granted<T extends Fact | Notice> = Extract<T, { type: T extends Fact ? 'lease.granted' : 'granted' }>;

/** More than a clock of that time can tell apart. */
const MOMENT_MS = 0.01;

function placeKey({ atMs, number }: Place): string {
  return `${atMs} ${number}`;
}

function sorted<T>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function expectSame(what: string, got: unknown, expected: unknown): void {
  const [engine, model] = [JSON.stringify(got), JSON.stringify(expected)];
  if (engine !== model) throw new Error(`${what} differs\n  engine ${engine}\n  model  ${model}`);
}
