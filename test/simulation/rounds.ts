/** What the auditor looks at from time to time: all limits, holders and waiters, compared with what clients and the journal have shown. */
import { levelAt, type PlainLease, type PlainState } from './auditor-model.ts';
import { OvertakingWatch } from './overtaking-watch.ts';
import { couldBeGranted, type View } from './plain-scan.ts';
import { type Acquire, CALM_MS, type Standing } from './standing.ts';

/** What is over is remembered so long, since requests may still be under way. */
const MEMORY_MS = 180_000;
/** What sums of fractions may differ by. */
const ROUNDING = 1e-9;

/** What the auditor knows, and how it reports a violation. */
export interface Books {
  readonly nowMs: () => number;
  readonly state: PlainState;
  readonly acquires: Map<string, Acquire>;
  readonly standing: Standing;
  readonly violation: (rule: string, text: string) => void;
}

export class Rounds {
  readonly overtaking = new OvertakingWatch();
  readonly #books: Books;
  /** Acquires of which the server knew nothing at the last look. */
  readonly #unknown = new Set<string>();

  constructor(books: Books) {
    this.#books = books;
  }

  /** All limits, holders and waiters, as of one moment. */
  look(view: View): void {
    const nowMs = this.#books.nowMs();
    this.#lookAtTotals(view);
    if (this.#books.standing.serverIsCalm(1_000)) {
      const isSurelyGone = (lease: string): boolean => this.#isSurelyLapsed(lease);
      for (const waiter of couldBeGranted(view, isSurelyGone, (rate) => this.#spent(view, rate)))
        this.#books.violation(
          'nobody waits who could be granted',
          `${waiter.ticket} waits for ${JSON.stringify(waiter.limits)} in ${JSON.stringify(view.limits)}`,
        );
    }
    this.#lookAtTheLine(view);
    for (const lease of this.#books.state.leases.values()) this.#lookForLeak(lease);
    for (const client of this.#books.standing.clients)
      for (const acquire of client.acquires) this.#lookForOverdue(acquire);
    this.#forgetOld(nowMs);
    this.overtaking.look(view, this.#books.state, nowMs, (id) => {
      const acquire = this.#books.acquires.get(id);
      return acquire?.state === 'waiting' && this.#books.standing.isCalm(acquire.client, nowMs - acquire.calledAtMs);
    });
  }

  /** All of it, while the server knows of more than is durable: then that is left for the next look. */
  #spent({ position, nowMs }: View, name: string): number {
    const { state } = this.#books;
    const limit = state.limits.get(name);
    return limit && position === state.position
      ? levelAt(limit, nowMs) - limit.held + ROUNDING
      : Number.POSITIVE_INFINITY;
  }

  #lookAtTotals({ limits, holders }: View): void {
    const held = new Map<string, number>();
    for (const holder of holders)
      for (const { name, slots } of holder.limits) held.set(name, (held.get(name) ?? 0) + slots);
    for (const { name, taken, slotDecayPerSecond } of limits) {
      const sum = held.get(name) ?? 0;
      // Of a rate also what is held comes back by itself.
      if (slotDecayPerSecond === null && sum !== taken)
        this.#books.violation('views agree', `'${name}' says ${taken} are taken; its holders have ${sum}`);
    }
  }

  /** The wait queue has exactly those who wait, and each could be granted some day. */
  #lookAtTheLine({ limits, holders, waiters }: View): void {
    const slotsOf = new Map(limits.map(({ name, active, slots }) => [name, active ? slots : Number.POSITIVE_INFINITY]));
    for (const { ticket, limits: wanted } of waiters) {
      const tooMuch = wanted.find(({ name, slots }) => slots > (slotsOf.get(name) ?? 0));
      if (tooMuch)
        this.#books.violation(
          'who can never be granted is refused',
          `${ticket} waits for ${tooMuch.slots} of '${tooMuch.name}'`,
        );
      const acquire = this.#books.acquires.get(ticket);
      if (!acquire) continue;
      const { client, state, sinceMs } = acquire;
      const goneForMs = this.#books.nowMs() - this.#books.standing.lastHeardAtMs(client);
      const isLeft = client.isGone
        ? goneForMs > client.ttlMs + 2 * CALM_MS
        : state !== 'waiting' &&
          this.#books.nowMs() - sinceMs > CALM_MS &&
          this.#books.standing.isCalm(client, CALM_MS);
      if (isLeft)
        this.#books.violation(
          'nobody stands in line without a caller',
          `${ticket}, which ${client.name} has as ${state}, stands in line`,
        );
    }
    const known = new Set<string>();
    for (const { ticket } of waiters) known.add(ticket);
    for (const { leaseId } of holders) known.add(leaseId);
    const before = new Set(this.#unknown);
    this.#unknown.clear();
    for (const client of this.#books.standing.clients) {
      if (!this.#books.standing.isCalm(client, CALM_MS)) continue;
      for (const { id, state, calledAtMs } of client.acquires) {
        if (state !== 'waiting' || known.has(id) || this.#books.nowMs() - calledAtMs <= CALM_MS) continue;
        this.#unknown.add(id);
        // At the first look its answer may be under way.
        if (before.has(id))
          this.#books.violation(
            'who waits stands in line',
            `${client.name} waits for ${id}, of which the server knows nothing`,
          );
      }
    }
  }

  /** A lease of a client that is gone for so long that its slots must be free for others. */
  #isSurelyLapsed(id: string): boolean {
    const client = this.#books.acquires.get(id)?.client;
    if (!client?.isGone) return false;
    return this.#books.nowMs() - this.#books.standing.lastHeardAtMs(client) > client.ttlMs + CALM_MS;
  }

  #lookForLeak(lease: PlainLease): void {
    const acquire = this.#books.acquires.get(lease.id);
    if (!acquire) {
      this.#books.violation('nothing is held without a holder', `nobody has ${lease.id}`);
      return;
    }
    const { client, state, sinceMs } = acquire;
    const nowMs = this.#books.nowMs();
    if (client.isGone) {
      const forMs = nowMs - Math.max(this.#books.standing.lastHeardAtMs(client), acquire.grantedAtMs);
      if (!this.#books.standing.serverIsDown && forMs > 2 * client.ttlMs + 2 * CALM_MS)
        this.#books.violation('nothing leaks', `${lease.id} is held by ${client.name}, which is gone for ${forMs} ms`);
    } else if (
      state !== 'held' &&
      this.#books.standing.isCalm(client, CALM_MS) &&
      nowMs - Math.max(sinceMs, acquire.grantedAtMs) > CALM_MS
    ) {
      this.#books.violation(
        'nothing is held without a holder',
        `${lease.id}, which ${client.name} has as ${state} for ${nowMs - sinceMs} ms, is held`,
      );
    }
  }

  #forgetOld(nowMs: number): void {
    // In the order of their calls.
    for (const [id, { calledAtMs, state, sinceMs }] of this.#books.acquires) {
      if (nowMs - calledAtMs <= MEMORY_MS) break;
      if (state === 'over' && nowMs - sinceMs > MEMORY_MS && !this.#books.state.leases.has(id))
        this.#books.acquires.delete(id);
    }
    for (const client of this.#books.standing.clients) {
      if (client.isGone && nowMs - client.goneAtMs > MEMORY_MS) this.#books.standing.clients.delete(client);
    }
  }

  #lookForOverdue({ id, client, timeoutMs, calledAtMs, state }: Acquire): void {
    if (state !== 'waiting' || timeoutMs === null || client.isGone || client.isPaused) return;
    const lateMs = this.#books.nowMs() - calledAtMs - client.suspendedMs - timeoutMs * 1.02;
    if (lateMs > 2 * CALM_MS && this.#books.nowMs() - client.resumedAtMs > CALM_MS)
      this.#books.violation(
        'timeouts are kept',
        `${id} of ${client.name} waits ${lateMs} ms longer than its ${timeoutMs} ms`,
      );
  }
}
