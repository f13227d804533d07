/** The two ways to find a planted bug: the simulation, and one test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Simulated hours of each seed. */
const HOURS_A_SEED = 0.1;
const SEEDS = 400;
/** The simulation prints a line every few seconds, unless it hangs. */
const SILENCE_MS = 20_000;

/** Runs seed after seed until one breaks a rule or the budget is used up. Returns what found the bug, if anything did. */
export async function simulate(copy: string, budgetMs: number): Promise<string | undefined> {
  const child = run(copy, [
    '--conditions=slotkeeper:source',
    'test/simulation/main.ts',
    '--seeds',
    String(SEEDS),
    '--hours',
    String(HOURS_A_SEED * SEEDS),
    '--no-shrink',
  ]);
  let output = '';
  let printedAtMs = performance.now();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      output += data.toString();
      printedAtMs = performance.now();
    });
  }
  const startedAtMs = printedAtMs;
  let hangs = false;
  const timer = setInterval(() => {
    hangs = performance.now() - printedAtMs > SILENCE_MS;
    if (hangs || performance.now() - startedAtMs > budgetMs) child.kill('SIGKILL');
  }, 1_000);
  const code = await exit(child);
  clearInterval(timer);
  if (hangs) return `seed ${[...output.matchAll(/seed (\d+):/g)].at(-1)?.[1] ?? '1'}: it goes on (it hangs)`;
  if (code === null || code === 0) return undefined;
  const seed = /^seed (\d+)/m.exec(output)?.[1] ?? 'unknown';
  const rule =
    /^VIOLATION of "([^"]+)"/m.exec(output)?.[1] ??
    `it throws: ${/^\[?\w*Error.*$/m.exec(output)?.[0] ?? output.slice(-200)}`;
  return `seed ${seed}: ${rule}`;
}

interface TestReport {
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/**
 * Runs the test file. Returns the name of the first test that failed, if any did. A file in which no test could run has found
 * nothing: it throws.
 */
export async function runTest(copy: string, test: string, budgetMs: number): Promise<string | undefined> {
  const report = join(copy, 'report.json');
  const child = run(copy, ['node_modules/vitest/vitest.mjs', 'run', test, '--reporter=json', `--outputFile=${report}`]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data: Buffer) => {
      output += data.toString();
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), budgetMs);
  const code = await exit(child);
  clearTimeout(timer);
  if (code === null) return `${test}: it does not end`;
  const results = readReport(report, output);
  const tests = results.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.find(({ status }) => status === 'failed');
  if (failed) return `${test}: ${failed.fullName}`;
  if (tests.length === 0 || code !== 0)
    throw new Error(`${test} could not be run: ${results.testResults.map(({ message }) => message).join()}\n${output}`);
  return undefined;
}

function readReport(report: string, output: string): TestReport {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch (cause) {
    throw new Error(`vitest wrote no report:\n${output}`, { cause });
  }
}

function run(copy: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, { cwd: copy, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Null if it was killed. */
async function exit(child: ChildProcess): Promise<number | null> {
  return await new Promise((done) => child.on('close', done));
}
