/**
 * Two versions of ours side by side in one run: `npm run bench:versions -- --old CHECKOUT [--rounds N] [--json]`.
 * CHECKOUT is another checkout of this repository, built; each version is asked by its own client.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Contender } from './contender.ts';
import { dataFolder } from './data-folder.ts';
import type { HandOverResult, PairsResult } from './load.ts';
import { describeMachine } from './machine.ts';
import { type Rows, runRounds, type Size } from './rounds.ts';
import { contendersOf } from './slotkeeper.ts';
import type { Suite } from './suite.ts';
import { counted, row, spread } from './table.ts';
import { THIS_VERSION, type Version } from './version.ts';

const { values: options } = parseArgs({
  options: {
    old: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
if (options.old === undefined) throw new Error('--old CHECKOUT is needed: the version to compare with, built.');

/** Work, not time: on a machine that others use, too, a version that is slowed down would be measured cold. About two seconds each. */
const PAIRS: Record<number, number> = { 1: 2_000, 16: 6_000, 64: 50_000, 1024: 80_000 };

const size: Size = {
  rounds: Number(options.rounds),
  warmUp: (callers) => ({ pairs: PAIRS[callers]! / 2 }),
  span: (callers) => ({ pairs: PAIRS[callers]! }),
  handOvers: 1_000,
  caseRounds: 0,
  caseSeconds: 0,
};

type Measured = PairsResult | HandOverResult;

/** One figure's rounds, by version. */
interface Comparison {
  readonly what: string;
  readonly old: readonly Measured[];
  readonly new: readonly Measured[];
}

const folder = dataFolder();
const versions: readonly Version[] = [
  { name: 'old', checkout: resolve(options.old) },
  { ...THIS_VERSION, name: 'new' },
];
const contenders = versions.map(contendersOf);
for (const { session } of contenders) {
  const missing = session.server.missing();
  if (missing !== undefined) throw new Error(`The ${session.name} version cannot be measured: ${missing}.`);
}

/** The old version's contender and the new one's, in that order. */
async function compare(pair: string, caller: string, callers: readonly number[], both: readonly Contender[]) {
  const suite: Suite = { pair, caller, callers, contenders: both, beside: [], cases: [] };
  const own = join(folder, pair);
  mkdirSync(own);
  const field = { suite, contenders: both, cases: [] };
  const [before, after] = (await runRounds(field, size, own, (text) => console.error(text))) as [Rows, Rows];
  const comparisons = callers.map((count): Comparison => {
    return { what: `${pair}, ${counted(count, caller)}`, old: before.pairs.get(count)!, new: after.pairs.get(count)! };
  });
  if (before.handOver.length === 0) return comparisons;
  return [...comparisons, { what: 'Hand-over', old: before.handOver, new: after.handOver }];
}

const machine = describeMachine(folder);
const comparisons = [
  ...(await compare(
    'Acquire + release',
    'caller',
    [1, 64, 1024],
    contenders.map(({ session }) => session),
  )),
  ...(await compare(
    'Prefect v1, increment + decrement',
    'client',
    [1, 16],
    contenders.map(({ prefect }) => prefect[0]!),
  )),
  ...(await compare(
    'Prefect v2, increment + decrement',
    'client',
    [1, 16],
    contenders.map(({ prefect }) => prefect[1]!),
  )),
];

/** By round, so that both come from the same minute. */
function ratios({ old: before, new: after }: Comparison, of: (measured: Measured) => number | null): string {
  const values = after.map((measured, round) => (of(measured) ?? Number.NaN) / (of(before[round]!) ?? Number.NaN));
  return values.some(Number.isNaN) ? '–' : spread(values);
}

function both({ old: before, new: after }: Comparison, of: (measured: Measured) => number | null): string[] {
  return [before, after].map((rounds) => {
    const values = rounds.map(of).filter((value) => value !== null);
    return values.length === 0 ? '–' : spread(values);
  });
}

const speed = (measured: Measured) => ('pairsPerSecond' in measured ? measured.pairsPerSecond : measured.p50Us);
const serverCpu = ({ serverCpuUs }: Measured) => serverCpuUs;
const clientCpu = ({ clientCpuUs }: Measured) => clientCpuUs;

if (options.json) console.log(JSON.stringify({ machine, size, comparisons }, null, 2));
else {
  console.log(
    [
      `${machine.cores} · Node ${machine.node} · load average before ${machine.loadAverage.toFixed(1)} · rounds: ${size.rounds}, the versions in turn within each`,
      '',
      row(
        '',
        'pairs a second (hand-over: p50 µs), old',
        'new',
        'new ÷ old',
        'server CPU µs, old',
        'new',
        'new ÷ old',
        'client CPU µs, old',
        'new',
        'new ÷ old',
      ),
      row('---', ...Array.from({ length: 9 }, () => '---:')),
      ...comparisons.map((each) =>
        row(each.what, ...[speed, serverCpu, clientCpu].flatMap((of) => [...both(each, of), ratios(each, of)])),
      ),
    ].join('\n'),
  );
}
