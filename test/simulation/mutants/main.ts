/**
 * `npm run simulate:mutants`: plants each bug in a copy of the sources, and looks whether the simulation finds it within
 * its budget. First the sources as they are: they must hold. `--only TEXT`: only mutants with that in their name.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Mutant, mutants } from './mutants.ts';

const root = resolve(import.meta.dirname, '../../..');
const PACKAGES = ['engine', 'journal', 'protocol', 'server', 'client'];
/** Simulated hours of each seed. */
const HOURS_A_SEED = 0.1;
const SEEDS = 400;
/** It says something every few seconds, unless it hangs. */
const SILENCE_MS = 20_000;

const { values } = parseArgs({
  options: {
    /** Seconds for each. */
    budget: { type: 'string', default: '120' },
    only: { type: 'string', default: '' },
  },
});
const budgetMs = Number(values.budget) * 1_000;

interface Found {
  readonly seed: string;
  readonly rule: string;
}

async function main(): Promise<void> {
  const chosen = mutants.filter(({ name }) => name.includes(values.only));
  for (const mutant of chosen) planted(mutant);
  const healthy = await within((tree) => hunt(tree));
  if (healthy) throw new Error(`The sources as they are break "${healthy.rule}" with seed ${healthy.seed}.`);
  console.log(`nothing planted: nothing found in ${values.budget} s`);
  let found = 0;
  for (const mutant of chosen) {
    const startedAtMs = performance.now();
    const result = await within((tree) => {
      writeFileSync(join(tree, 'packages', mutant.file), planted(mutant));
      return hunt(tree);
    });
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
    if (result) found += 1;
    console.log(
      `${mutant.name} | ${result ? `seed ${result.seed} | ${seconds} s | ${result.rule}` : `NOT FOUND in ${seconds} s`}`,
    );
  }
  console.log(`${chosen.length} planted, ${found} found`);
  if (found < chosen.length) process.exitCode = 1;
}

/** The file with the bug in it. */
function planted({ name, file, find, replace }: Mutant): string {
  const text = readFileSync(join(root, 'packages', file), 'utf8');
  const places = text.split(find).length - 1;
  if (places !== 1) throw new Error(`"${name}" cannot be planted: ${file} has its text ${places} times, not once.`);
  return text.replace(find, () => replace);
}

/** A copy of what the simulation needs, for as long as `use` lasts. */
async function within<T>(use: (tree: string) => Promise<T>): Promise<T> {
  const tree = mkdtempSync(join(tmpdir(), 'slotkeeper-mutant-'));
  try {
    mkdirSync(join(tree, 'node_modules/@slotkeeper'), { recursive: true });
    for (const name of PACKAGES) {
      for (const part of ['src', 'package.json'])
        cpSync(join(root, 'packages', name, part), join(tree, 'packages', name, part), { recursive: true });
      symlinkSync(join(tree, 'packages', name), join(tree, 'node_modules/@slotkeeper', name));
    }
    for (const part of ['random.ts', 'virtual-time.ts', 'simulation'])
      cpSync(join(root, 'test', part), join(tree, 'test', part), { recursive: true });
    writeFileSync(join(tree, 'package.json'), '{"type":"module"}');
    return await use(tree);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Runs seed after seed until one finds something, or the budget is used up. */
async function hunt(tree: string): Promise<Found | undefined> {
  const hours = String(HOURS_A_SEED * SEEDS);
  const args = [
    '--conditions=slotkeeper:source',
    'test/simulation/main.ts',
    '--seeds',
    String(SEEDS),
    '--hours',
    hours,
    '--no-shrink',
  ];
  const child = spawn(process.execPath, args, { cwd: tree, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let spokeAtMs = performance.now();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
      spokeAtMs = performance.now();
    });
  }
  const startedAtMs = spokeAtMs;
  let hangs = false;
  const timer = setInterval(() => {
    hangs = performance.now() - spokeAtMs > SILENCE_MS;
    if (hangs || performance.now() - startedAtMs > budgetMs) child.kill('SIGKILL');
  }, 1_000);
  const code = await new Promise<number | null>((done) => child.on('exit', done));
  clearInterval(timer);
  if (hangs) return { seed: [...output.matchAll(/seed (\d+):/g)].at(-1)?.[1] ?? '1', rule: 'it goes on (it hangs)' };
  if (code === null || code === 0) return undefined;
  const seed = /^seed (\d+)/m.exec(output)?.[1] ?? 'unknown';
  const rule =
    /^VIOLATION of "([^"]+)"/m.exec(output)?.[1] ??
    `it throws: ${/^\[?\w*Error.*$/m.exec(output)?.[0] ?? output.slice(-200)}`;
  return { seed, rule };
}

await main();
