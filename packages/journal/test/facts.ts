/** Any facts: single ones of all kinds, and histories in which each fits what went before it. */
import { emptyState, evolve, type Fact, type Holder, type LimitSettings } from '@slotkeeper/engine';
import fc from 'fast-check';

const settings: LimitSettings = {
  slots: 4,
  slotDecayPerSecond: null,
  active: true,
  mode: 'open',
  overtakes: 16,
  maxWaiters: null,
  description: null,
};

export function limitSet(name: string, at = 1_000): Fact {
  return { type: 'limit.set', at, name, id: `id of ${name}`, settings, by: null };
}

/** Any text: with quotes, control characters, halves of surrogate pairs. */
const anyText = fc.string({ unit: 'binary', maxLength: 20 });
const anyTextOrNull = fc.option(anyText);
const anyCount = fc.nat({ max: 2 ** 31 - 1 });
const anyMs = fc.oneof(
  anyCount,
  fc.double({ min: 0, max: 4e12, noNaN: true }).filter((ms) => !Object.is(ms, -0)),
);
const anySettings: fc.Arbitrary<LimitSettings> = fc.record({
  slots: anyCount,
  slotDecayPerSecond: fc.option(fc.double({ min: 1e-9, max: 2 ** 31, noNaN: true })),
  active: fc.boolean(),
  mode: fc.constantFrom('open', 'paused', 'draining'),
  overtakes: anyCount,
  maxWaiters: fc.option(anyCount),
  description: anyTextOrNull,
});
const anyHolder: fc.Arbitrary<Holder> = fc.record({
  type: anyTextOrNull,
  id: anyTextOrNull,
  label: anyTextOrNull,
  host: anyTextOrNull,
  pid: fc.option(anyCount),
});
const anyBy = fc.option(fc.record({ key: anyTextOrNull, address: anyTextOrNull }));
const anyEnd = fc.constantFrom('returned', 'undone', 'untracked');
const anyTtl = fc.option(anyMs);

export const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({
    type: fc.constant('limit.set'),
    at: anyMs,
    name: anyText,
    id: anyText,
    settings: anySettings,
    by: anyBy,
  }),
  fc.record({ type: fc.constant('limit.deleted'), at: anyMs, name: anyText, by: anyBy }),
  fc.record({
    type: fc.constant('lease.granted'),
    at: anyMs,
    leaseId: anyText,
    sessionId: anyText,
    lifeline: fc.constantFrom('heartbeat', 'renewal', 'process'),
    ttlMs: anyTtl,
    amounts: fc.array(fc.tuple(anyText, anyCount), { maxLength: 4 }),
    holder: anyHolder,
    refunds: fc.boolean(),
    origin: fc.constantFrom('session', 'prefect-tag', 'prefect-lease', 'prefect-bare'),
  }),
  fc.record({ type: fc.constant('limit.renamed'), at: anyMs, name: anyText, to: anyText, by: anyBy }),
  fc.record({ type: fc.constant('untracked.set'), at: anyMs, name: anyText, slots: anyCount, by: anyBy }),
  fc.record({
    type: fc.constant('untracked.returned'),
    at: anyMs,
    amounts: fc.array(fc.tuple(anyText, anyCount), { maxLength: 4 }),
  }),
  fc.record({ type: fc.constant('lease.renewed'), at: anyMs, leaseId: anyText, ttlMs: anyTtl }),
  fc.record({
    type: fc.constant('lease.released'),
    at: anyMs,
    leaseId: anyText,
    names: fc.option(fc.array(anyText)),
    how: anyEnd,
  }),
  fc.record({ type: fc.constant('lease.expired'), at: anyMs, leaseId: anyText }),
  fc.record({ type: fc.constant('lease.revoked'), at: anyMs, leaseId: anyText, reason: anyText, by: anyBy }),
);

type Step = { readonly kind: number; readonly pick: number; readonly settings: LimitSettings; readonly holder: Holder };

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.nat({ max: 12 }),
  pick: fc.nat({ max: 1_000 }),
  settings: anySettings,
  holder: anyHolder,
});

/** Facts that fit each other: limits of five names come, change and go, leases on several of them are granted and end. */
export const anyHistory: fc.Arbitrary<Fact[]> = fc.array(anyStep, { minLength: 1, maxLength: 80 }).map((steps) => {
  const state = emptyState();
  return steps.map((step) => {
    const fact = nextFact(state, step);
    evolve(state, fact);
    return fact;
  });
});

function nextFact(state: ReturnType<typeof emptyState>, { kind, pick, settings, holder }: Step): Fact {
  const at = state.atMs + (pick % 7);
  const limits = [...state.limits.values()];
  const lease = [...state.leases.values()][pick % Math.max(1, state.leases.size)];
  const idle = limits.find((limit) => limit.leases.size === 0);
  const [first] = limits;
  const by = pick % 2 === 0 ? null : { key: 'ci', address: '10.0.0.7' };
  if (kind === 12 && first) return { type: 'limit.renamed', at, name: first.name, to: `renamed ${state.position}`, by };
  if (kind === 11 && first) return { type: 'untracked.set', at, name: first.name, slots: pick, by };
  if (kind === 10 && first) return { type: 'untracked.returned', at, amounts: [[first.name, 1 + (pick % 5)]] };
  if (kind >= 5 && limits.length > 0) {
    const amounts = limits
      .filter((_, index) => (pick >> index) & 1)
      .map(({ name }, index) => [name, index + 1] as const);
    const lifeline = kind === 9 ? 'renewal' : 'heartbeat';
    const id = `lease ${state.position + 1}`;
    const ttlMs = pick % 3 === 0 ? null : pick;
    return {
      type: 'lease.granted',
      at,
      leaseId: id,
      sessionId: `s${kind}`,
      lifeline,
      ttlMs,
      amounts: amounts.reverse(),
      holder,
      refunds: pick % 2 === 0,
      origin: kind === 9 ? 'prefect-lease' : 'session',
    };
  }
  if (kind === 4 && idle) return { type: 'limit.deleted', at, name: idle.name, by };
  if (kind === 3 && lease) return { type: 'lease.renewed', at, leaseId: lease.id, ttlMs: pick };
  if (kind === 2 && lease) return { type: 'lease.revoked', at, leaseId: lease.id, reason: 'so', by };
  if (kind === 1 && lease) {
    const names = lease.amounts.map(([name]) => name).slice(pick % 2);
    const how = (['returned', 'undone', 'untracked'] as const)[pick % 5] ?? 'returned';
    return { type: 'lease.released', at, leaseId: lease.id, names: pick % 3 === 0 ? null : names, how };
  }
  const name = `limit "${pick % 5}"\ud800`;
  return { type: 'limit.set', at, name, id: `id ${state.position}`, settings, by };
}
