/**
 * `npm run planted`: plants each bug in a copy of the sources, and looks whether what is to find it does. First the sources
 * as they are: the simulation and each test file must pass.
 *
 *   --only TEXT    only bugs with that in their name
 *   --seam NAME    only those of one seam: engine, host and engine, …
 *   --budget S     seconds for each; 120 if not given
 */
import { parseArgs } from 'node:util';
import { inCopy, planted } from './copy.ts';
import { runTest, simulate } from './hunt.ts';
import type { PlantedBug } from './planted-bug.ts';
import { SEAMS } from './seams.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seam: { type: 'string' },
    budget: { type: 'string', default: '120' },
  },
});
const budgetMs = Number(values.budget) * 1_000;

async function main(): Promise<void> {
  const chosen = choose();
  for (const bug of chosen) planted(bug);
  for (const test of new Set(chosen.map((bug) => bug.test))) await holds(test);
  let found = 0;
  for (const bug of chosen) {
    const startedAtMs = performance.now();
    const finding = await inCopy(bug, (copy) => hunt(copy, bug.test));
    if (finding !== undefined) found += 1;
    console.log(`${bug.name} | ${finding ?? 'NOT FOUND'} | ${secondsSince(startedAtMs)}`);
  }
  console.log(`${chosen.length} planted, ${found} found`);
  if (found < chosen.length) process.exitCode = 1;
}

function choose(): readonly PlantedBug[] {
  const { seam, only } = values;
  if (seam !== undefined && !SEAMS[seam]) throw new Error(`--seam is one of: ${Object.keys(SEAMS).join(', ')}`);
  const bugs = seam === undefined ? Object.values(SEAMS).flat() : (SEAMS[seam] as readonly PlantedBug[]);
  const chosen = bugs.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new Error('no planted bug has such a name');
  return chosen;
}

/** With nothing planted, nothing may be found. */
async function holds(test: string | undefined): Promise<void> {
  const startedAtMs = performance.now();
  const finding = await inCopy(undefined, (copy) => hunt(copy, test));
  if (finding !== undefined) throw new Error(`With nothing planted, this fails: ${finding}`);
  console.log(`nothing planted | ${test ?? 'the simulation'} finds nothing | ${secondsSince(startedAtMs)}`);
}

async function hunt(copy: string, test: string | undefined): Promise<string | undefined> {
  return test === undefined ? await simulate(copy, budgetMs) : await runTest(copy, test, budgetMs);
}

function secondsSince(startedAtMs: number): string {
  return `${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`;
}

await main();
