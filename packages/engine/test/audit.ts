/** The invariants of design.md, checked by plain scans of what the engine shows of itself. */
import type { Engine, Fact, State } from '../src/index.ts';

/** To be called after each fact, with the state that it led to. */
export function auditFact(state: State, fact: Fact): void {
  if (fact.type !== 'lease.granted') return;
  const lease = state.leases.get(fact.lease);
  const tokens = [...state.leases.values()].map(({ token }) => token);
  check(
    lease?.token === state.position && Math.max(...tokens) === lease.token,
    `the token of ${fact.lease} does not rise`,
  );
  for (const [name] of fact.amounts) {
    const limit = state.limits.get(name);
    const fits = limit !== undefined && (!limit.settings.active || limit.held <= limit.settings.slots);
    check(fits, `a grant of '${name}' to ${fact.lease} brings it to ${limit?.held} of ${limit?.settings.slots}`);
  }
}

/** To be called after each step. `heldBack`: after a start, while nothing is granted yet. */
export function auditState(engine: Engine, heldBack: boolean): void {
  for (const limit of engine.state.limits.values()) {
    let sum = 0;
    for (const lease of engine.state.leases.values()) sum += lease.amounts.get(limit.name) ?? 0;
    check(sum === limit.held, `'${limit.name}' counts ${limit.held} as held, its leases hold ${sum}`);
  }
  if (!heldBack) auditWaiters(engine);
}

/** Nobody waits who is the first on all its limits and would fit: whatever is reserved, that one is to be granted. */
function auditWaiters(engine: Engine): void {
  const taken = new Set<string>();
  for (const { ticket, limits, connected } of engine.waiters(null)) {
    const views = limits.map(({ name, slots }) => ({ ...engine.limitView(name)!, wanted: slots }));
    if (!connected || views.some(({ mode }) => mode !== 'open')) continue;
    const isFirst = limits.every(({ name }) => !taken.has(name));
    const fits = views.every(({ active, free, wanted }) => !active || wanted <= free);
    check(!isFirst || !fits, `${ticket} waits, though it is the first on all its limits and would fit`);
    for (const { name } of limits) taken.add(name);
  }
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
