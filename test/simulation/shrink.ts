/** Makes a plan that fails as small as it gets: fewer faults and changes, fewer clients, less work, less time. */
import type { ClientPlan, Plan, Work } from './plan.ts';
import { Simulation } from './simulation.ts';

/** How long shrinking may take, in real time. */
const PATIENCE_MS = 30_000;
const EXTRAS = [
  'holdsLong',
  'severalLimits',
  'priority',
  'timeout',
  'aTry',
  'cancel',
  'body',
  'keepsOn',
  'allowsMissing',
  'createsMissing',
  'check',
  'spends',
] as const satisfies readonly (keyof Work)[];

/** The smallest plan found that breaks the same rule. */
export async function shrink(plan: Plan, rule: string, patienceMs = PATIENCE_MS): Promise<Plan> {
  const untilMs = performance.now() + patienceMs;
  let smallest = plan;
  const stillFails = async (candidate: Plan): Promise<boolean> => {
    if (performance.now() > untilMs) return false;
    const { violations } = await new Simulation(candidate).run();
    const [violation] = violations;
    if (violation?.rule !== rule) return false;
    smallest = { ...candidate, hours: Math.min(candidate.hours, (violation.atMs + 1_000) / 3_600_000) };
    return true;
  };
  await stillFails(plan);
  for (let sizeBefore = Number.POSITIVE_INFINITY; size(smallest) < sizeBefore; ) {
    sizeBefore = size(smallest);
    await dropEach(
      () => smallest.faults,
      (faults) => stillFails({ ...smallest, faults }),
    );
    await dropEach(
      () => smallest.changes,
      (changes) => stillFails({ ...smallest, changes }),
    );
    await dropEach(
      () => active(smallest),
      (kept) => stillFails({ ...smallest, clients: withOnly(smallest.clients, kept) }),
    );
    for (const extra of EXTRAS) {
      if (smallest.clients.some(({ work }) => (work[extra] ?? 0) > 0))
        await stillFails({ ...smallest, clients: without(smallest.clients, extra) });
    }
  }
  return smallest;
}

/** Tries without halves, quarters, … and single items. */
async function dropEach<T>(items: () => readonly T[], fails: (fewer: readonly T[]) => Promise<boolean>): Promise<void> {
  for (let chunk = Math.max(1, items().length); chunk >= 1; chunk = Math.floor(chunk / 2)) {
    for (let from = 0; from < items().length; ) {
      const all = items();
      const fewer = [...all.slice(0, from), ...all.slice(from + chunk)];
      if (!(await fails(fewer))) from += chunk;
    }
  }
}

const IDLE_MS = 1e12;

/** Clients keep their numbers, which faults name: one that is dropped does nothing. */
function active({ clients }: Plan): number[] {
  return [...clients.keys()].filter((i) => (clients[i] as ClientPlan).work.everyMs < IDLE_MS);
}

function withOnly(clients: readonly ClientPlan[], kept: readonly number[]): ClientPlan[] {
  return clients.map((client, i) =>
    kept.includes(i) ? client : { ...client, work: { ...client.work, everyMs: IDLE_MS } },
  );
}

function without(clients: readonly ClientPlan[], extra: keyof Work): ClientPlan[] {
  return clients.map((client) => ({ ...client, work: { ...client.work, [extra]: 0 } }));
}

function size({ clients, faults, changes, hours }: Plan): number {
  const busy = clients.filter(({ work }) => work.everyMs < IDLE_MS);
  const extras = busy.reduce((sum, { work }) => sum + EXTRAS.filter((extra) => (work[extra] ?? 0) > 0).length, 0);
  return faults.length + changes.length + busy.length + extras + hours;
}
