/** `npm run simulate -- --seed N --hours H [--seeds K]`: the verdict over so many hours of bad luck. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { draw, type Plan } from './plan.ts';
import { shrink } from './shrink.ts';
import { type Outcome, type Progress, Simulation } from './simulation.ts';

const LINE_EVERY_MS = 5_000;

const { values } = parseArgs({
  allowNegative: true,
  options: {
    /** The first seed. */
    seed: { type: 'string', default: '1' },
    /** In all, over all seeds. */
    hours: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    clients: { type: 'string', default: '50' },
    /** Whether a plan that fails is made smaller. */
    shrink: { type: 'boolean', default: true },
    /** A plan of `test/simulation/regressions`, instead of a seed. */
    plan: { type: 'string' },
  },
});

// Stacks cost a sixth of the time, and only the last run's are read.
Error.stackTraceLimit = 0;

const seeds = Number(values.seeds);
const hoursEach = Number(values.hours) / seeds;
const sum = { hours: 0, clientHours: 0, acquires: 0, grants: 0, crashes: 0, cuts: 0, faults: 0 };
const startedAtMs = performance.now();
let saidAtMs = startedAtMs;

if (values.plan)
  await run((JSON.parse(readFileSync(values.plan, 'utf8')) as { plan: Plan }).plan, `--plan ${values.plan}`);
for (let i = 0; i < seeds && !values.plan; i += 1) {
  const seed = Number(values.seed) + i;
  await run(
    draw(seed, hoursEach, Number(values.clients)),
    `--seed ${seed} --hours ${hoursEach}${values.clients === '50' ? '' : ` --clients ${values.clients}`}`,
  );
}
console.log(verdict(0));

/** A rejection that nobody handles would end a server. */
function endsUnheard(plan: Plan, again: string): (error: unknown) => void {
  return (error) => {
    console.log(`VIOLATION of "nothing is rejected unheard": ${error}`);
    console.log(`seed ${plan.seed}, commit ${commit()}\nagain: npm run simulate -- ${again}`);
    process.exit(1);
  };
}

async function run(plan: Plan, again: string): Promise<void> {
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', endsUnheard(plan, again));
  const outcome = await new Simulation(plan).run((progress) => {
    if (performance.now() - saidAtMs < LINE_EVERY_MS) return;
    saidAtMs = performance.now();
    const { hours, grants, crashes, cuts } = added(plan, progress);
    const seconds = Math.round((saidAtMs - startedAtMs) / 1_000);
    console.log(
      `${seconds} s, seed ${plan.seed}: ${hours.toFixed(1)} hours, ${grants} grants, ${crashes} crashes, ${cuts} cuts`,
    );
  });
  Object.assign(sum, added(plan, outcome));
  if (outcome.violations.length > 0) await report(plan, again, outcome);
}

function added({ clients }: Plan, progress: Progress): typeof sum {
  return {
    hours: sum.hours + progress.hours,
    clientHours: sum.clientHours + progress.hours * clients.length,
    acquires: sum.acquires + progress.acquires,
    grants: sum.grants + progress.grants,
    crashes: sum.crashes + progress.crashes,
    cuts: sum.cuts + progress.cuts,
    faults: sum.faults + progress.faults,
  };
}

function verdict(violations: number): string {
  const { hours, clientHours, acquires, grants, crashes, cuts, faults } = sum;
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  return [
    `${acquires} acquires (${(acquires / clientHours / 3_600).toFixed(2)} a client and second), ${crashes} crashes, ${cuts} cuts`,
    `${cpuSeconds.toFixed(0)} s of one core, ${(cpuSeconds / hours).toFixed(2)} s for each hour`,
    `${Number(hours.toFixed(1))} hours, ${grants} grants, ${faults} faults, ${violations} violations`,
  ].join('\n');
}

async function report(plan: Plan, again: string, { violations }: Outcome): Promise<never> {
  for (const { rule, atMs, text } of violations) console.log(`VIOLATION of "${rule}" at ${atMs / 1_000} s: ${text}`);
  console.log(`seed ${plan.seed}, commit ${commit()}\nagain: npm run simulate -- ${again}`);
  if (!values.shrink) process.exit(1);
  const smaller = await shrink(plan, violations[0]!.rule);
  Error.stackTraceLimit = 10;
  const { history, violations: left } = await new Simulation(smaller, { keepsHistory: true }).run();
  console.log(`The shortest that still fails: ${JSON.stringify({ plan: smaller })}\nIts history:`);
  for (const line of history.slice(-200)) console.log(`  ${line}`);
  for (const { rule, text } of left) console.log(`  VIOLATION of "${rule}": ${text}`);
  console.log(verdict(violations.length));
  process.exit(1);
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
