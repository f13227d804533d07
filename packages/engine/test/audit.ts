/** The invariants of design.md, checked by plain scans of what the engine shows of itself. */
import { type Engine, type Fact, type State, slotsIn, type Usage } from '../src/index.ts';
import { without } from './plain-level.ts';

/** To be called after each fact, with the state that it led to. */
export function auditFact(state: State, fact: Fact): void {
  if (fact.type !== 'lease.granted') return;
  const lease = state.leases.get(fact.leaseId);
  const tokens = [...state.leases.values()].map(({ token }) => token);
  check(
    lease?.token === state.position && Math.max(...tokens) === lease.token,
    `the token of ${fact.leaseId} does not rise`,
  );
  for (const [name] of fact.amounts) {
    const limit = state.limits.get(name);
    const fits =
      limit !== undefined && (!limit.settings.active || limit.usage.taken <= limit.settings.slots + FRACTION);
    check(
      fits,
      `a grant of '${name}' to ${fact.leaseId} brings it to ${limit?.usage.taken} of ${limit?.settings.slots}`,
    );
  }
}

/** To be called after each step. `heldBack`: after a start, while nothing is granted yet. */
export function auditState(engine: Engine, heldBack: boolean): void {
  for (const limit of engine.state.limits.values()) {
    let sum = 0;
    for (const lease of engine.state.leases.values()) sum += slotsIn(lease.amounts, limit.name) ?? 0;
    const { kind, held, taken } = limit.usage;
    check(sum === held, `'${limit.name}' counts ${held} as held, its leases hold ${sum}`);
    const isRate = limit.settings.slotDecayPerSecond !== null;
    check(isRate === (kind === 'rate'), `'${limit.name}' is counted as a ${kind}`);
    const isTaken = isRate ? taken >= 0 : taken >= sum && Number.isInteger(taken);
    check(isTaken, `'${limit.name}' counts ${taken} as taken, its leases hold ${sum}`);
    for (const lease of engine.state.leases.values()) {
      const hasSpent = lease.spent.some(([name]) => name === limit.name);
      check(!hasSpent || isRate, `${lease.id} has spent of '${limit.name}', which is no rate`);
    }
  }
  auditIndexes(engine);
  if (!heldBack) auditWaiters(engine);
}

/** Each list that is kept in order is what a scan of everything and a sort come to. */
function auditIndexes(engine: Engine): void {
  const { limits, leases } = engine.state;
  const all = [...leases.values()];
  const isSame = (what: string, indexed: Iterable<unknown>, scanned: readonly unknown[]): void => {
    const items = [...indexed];
    check(items.length === scanned.length && items.every((item, i) => item === scanned[i]), `the index of ${what}`);
  };
  isSame(
    'leases',
    all,
    all.toSorted((a, b) => a.token - b.token),
  );
  check(all.length === leases.size && all.every((lease) => leases.get(lease.id) === lease), 'leases by id');
  for (const id of new Set(all.map(({ holder }) => holder.id))) {
    const own = all.filter(({ holder, lifeline }) => holder.id === id && lifeline === 'renewal');
    if (id !== null) isSame(`leases of ${id}`, leases.ofHolder(id), own);
  }
  const named = [...limits.values()];
  isSame(
    'limits',
    named,
    named.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  );
  check(named.length === limits.size && named.every((limit) => limits.get(limit.name) === limit), 'limits by name');
  const waiting = engine.waiters(null);
  for (const limit of named) {
    const { name, id } = limit;
    check(limits.withId(id)?.id === id, `limit '${name}' by its id`);
    isSame(
      `leases on '${name}'`,
      limit.leases,
      all.filter(({ amounts }) => slotsIn(amounts, name) !== undefined),
    );
    isSame(
      `spenders of '${name}'`,
      limit.spenders ?? [],
      all.filter(({ spent }) => slotsIn(spent, name) !== undefined),
    );
    const own = waiting.filter((waiter) => waiter.limits.some((limit) => limit.name === name));
    const ticketOf = ({ ticket }: { readonly ticket: string }): string => ticket;
    isSame(`waiters of '${name}'`, engine.waiters(name).map(ticketOf), own.map(ticketOf));
  }
}

/** No waiter that is the first on all its limits and would fit waits: no reservation counts against it. */
function auditWaiters(engine: Engine): void {
  const taken = new Set<string>();
  for (const { ticket, limits, connected } of engine.waiters(null)) {
    const views = limits.map(({ name, slots }) => ({ ...engine.limitView(name)!, wanted: slots }));
    if (!connected || views.some(({ mode }) => mode !== 'open')) continue;
    const isFirst = limits.every(({ name }) => !taken.has(name));
    const fits = views.every(({ name, active, wanted }) => !active || wanted + FRACTION <= room(engine, name));
    check(!isFirst || !fits, `${ticket} waits, though it is the first on all its limits and would fit`);
    for (const { name } of limits) taken.add(name);
  }
}

/** Slots that are not taken, or only by leases that end if they are needed. */
export function room(engine: Engine, name: string): number {
  const { usage, leases, settings } = engine.state.limits.get(name)!;
  const { held } = usage;
  const now = takenNow(usage, engine.nowMs);
  let lapsed = 0;
  for (const { id, token, amounts } of leases) {
    if (!engine.isValid(id, token)) lapsed += slotsIn(amounts, name) ?? 0;
  }
  return settings.slots - without(now, lapsed, held - lapsed);
}

/** What is taken, by the plain rule: of a rate so many slots come back each second. */
export function takenNow(usage: Usage, nowMs: number): number {
  if (usage.kind === 'semaphore') return usage.taken;
  return Math.max(0, usage.taken - (usage.slotDecayPerSecond * (nowMs - usage.atMs)) / 1000);
}

/** What a sum of fractions of slots may be off by. */
const FRACTION = 1e-6;

function check(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
