/** A short way to tell examples: one engine, named sessions and leases, answers as words. */
import {
  type AcquireRequest,
  type Claim,
  type Command,
  Engine,
  emptyState,
  evolve,
  type Fact,
  HOLD_BACK_MS,
  type Holder,
  type LimitPatch,
  type Notice,
  type Place,
  type Refusal,
  type Step,
} from '../src/index.ts';
import { auditFact, auditState } from './audit.ts';

export const NOBODY: Holder = { type: null, id: null, label: null, host: null, pid: null };

export type RequestOptions = Partial<Omit<AcquireRequest, 'lease' | 'amounts'>>;

export function request(
  lease: string,
  amounts: Readonly<Record<string, number>>,
  options: RequestOptions = {},
): AcquireRequest {
  return {
    leaseId: lease,
    amounts: Object.entries(amounts),
    timeoutMs: null,
    priority: 0,
    holder: NOBODY,
    onMissing: 'error',
    place: null,
    ratesOnly: false,
    refunds: false,
    skipInactive: false,
    limitIds: [],
    ...options,
  };
}

export class Scene {
  engine: Engine;
  nowMs = 1_000_000;
  readonly facts: Fact[] = [];
  readonly notices: Notice[] = [];
  readonly #connections = new Map<string, number>();
  readonly #replayed = emptyState();
  #epoch = 1;
  #heldBackUntilMs = 0;

  /** Each limit with its slots, and a session `S` that is connected. */
  constructor(limits: Readonly<Record<string, number>> = {}) {
    this.engine = new Engine(emptyState(), { epoch: this.#epoch, nowMs: this.nowMs });
    for (const [name, slots] of Object.entries(limits)) this.limit(name, { slots });
    this.open('S', { ttlMs: null, lifeline: 'process' });
  }

  do(command: Command): Step {
    const step = this.engine.step(command, this.nowMs);
    this.facts.push(...step.facts);
    this.notices.push(...step.notices);
    for (const fact of step.facts) {
      evolve(this.#replayed, fact);
      auditFact(this.#replayed, fact);
    }
    if (command.type === 'tick' && this.nowMs >= this.#heldBackUntilMs) this.#heldBackUntilMs = 0;
    auditState(this.engine, this.#heldBackUntilMs > 0);
    return step;
  }

  limit(name: string, patch: LimitPatch): Refusal | undefined {
    return this.do({ type: 'limit.set', name, id: `id of ${name}`, patch }).refusal;
  }

  /** Connects, or comes back on a new connection, and says what it holds and waits for. */
  open(
    session: string,
    options: Partial<Omit<Command & { type: 'session.open' }, 'type' | 'session'>> & { leases?: readonly Claim[] } = {},
  ): Step {
    const connection = options.connection ?? this.connection(session) + 1;
    this.#connections.set(session, connection);
    const defaults = { lifeline: 'heartbeat' as const, ttlMs: 2000, leases: [], waits: [], origin: 'session' as const };
    return this.do({ type: 'session.open', sessionId: session, ...defaults, ...options, connection });
  }

  /** The number of the session's last connection. */
  connection(session: string): number {
    return this.#connections.get(session) ?? 0;
  }

  alive(session: string): Step {
    return this.do({ type: 'session.alive', sessionId: session, connection: this.connection(session) });
  }

  lose(session: string, keepMs?: number): Step {
    const connection = this.connection(session);
    return this.do({ type: 'session.lost', sessionId: session, connection, ...(keepMs !== undefined && { keepMs }) });
  }

  close(session: string): Step {
    return this.do({ type: 'session.close', sessionId: session, connection: this.connection(session) });
  }

  /** What the acquire is told at once: `granted`, `queued`, the code of a refusal, or nothing. */
  acquire(
    lease: string,
    amounts: Readonly<Record<string, number>>,
    options: RequestOptions & { session?: string } = {},
  ): string {
    const { session = 'S', ...rest } = options;
    const step = this.do({ type: 'acquire', sessionId: session, request: request(lease, amounts, rest) });
    return told(step, lease);
  }

  cancel(lease: string, session = 'S'): Step {
    return this.do({ type: 'cancel', sessionId: session, leaseId: lease });
  }

  release(lease: string, names?: readonly string[]): Step {
    return this.do({ type: 'release', leaseId: lease, token: this.token(lease), ...(names && { names }) });
  }

  /** Lets time pass, with a tick at each wake-up. Returns what was said meanwhile. */
  sleep(ms: number): Notice[] {
    const untilMs = this.nowMs + ms;
    const from = this.notices.length;
    for (
      let wakeAtMs = this.engine.wakeAtMs;
      wakeAtMs !== null && wakeAtMs <= untilMs;
      wakeAtMs = this.engine.wakeAtMs
    ) {
      this.nowMs = Math.max(this.nowMs, wakeAtMs);
      this.do({ type: 'tick' });
    }
    this.nowMs = untilMs;
    return this.notices.slice(from);
  }

  /** The process dies; a new one takes over from the facts. Sessions have to come back. */
  restart(): void {
    this.#epoch += 1;
    const state = emptyState();
    for (const fact of this.facts) evolve(state, fact);
    this.engine = new Engine(state, { epoch: this.#epoch, nowMs: this.nowMs });
    this.#heldBackUntilMs = state.leases.size > 0 ? this.nowMs + HOLD_BACK_MS : 0;
  }

  /** Leases with slots of the limit, or all leases; in the order of their grants. */
  holding(name?: string): string[] {
    const leases = [...this.engine.state.leases.values()];
    return leases
      .filter(({ amounts }) => name === undefined || amounts.some(([held]) => held === name))
      .map(({ id }) => id);
  }

  /** In the order of the line. */
  waiting(name: string | null = null): string[] {
    return this.engine.waiters(name).map(({ ticket }) => ticket);
  }

  token(lease: string): number {
    return this.engine.state.leases.get(lease)?.token ?? 0;
  }

  claim(lease: string): Claim {
    return [lease, this.token(lease)];
  }

  place(lease: string): Place {
    const notice = this.notices.findLast((notice) => notice.type === 'queued' && notice.leaseId === lease);
    if (notice?.type !== 'queued') throw new Error(`${lease} was never told a place`);
    return notice.place;
  }

  /** The last refusal told about a lease. */
  refusal(lease: string): Refusal {
    const notice = this.notices.findLast(
      (notice) => (notice.type === 'refused' || notice.type === 'ended') && notice.leaseId === lease,
    );
    if (notice?.type !== 'refused' && notice?.type !== 'ended') throw new Error(`${lease} was not refused`);
    return notice.refusal;
  }

  /** Codes of the warnings with which a lease was granted, each with its limit. */
  warnings(lease: string): string[] {
    const notice = this.notices.findLast((notice) => notice.type === 'granted' && notice.leaseId === lease);
    if (notice?.type !== 'granted') throw new Error(`${lease} was not granted`);
    return notice.grant.warnings.map(({ code, limit }) => `${code} ${limit}`);
  }
}

/** What a step says of a lease: its last word. */
export function told({ notices }: Pick<Step, 'notices'>, lease: string): string {
  const notice = notices.findLast((notice) => notice.type !== 'disconnect' && notice.leaseId === lease);
  if (!notice) return 'nothing';
  return notice.type === 'refused' || notice.type === 'ended' ? notice.refusal.code : notice.type;
}

/** The leases that a step grants, in order. */
export function grants({ facts }: Pick<Step, 'facts'>): string[] {
  return facts.filter((fact) => fact.type === 'lease.granted').map(({ leaseId: lease }) => lease);
}
