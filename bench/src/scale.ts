/** What a page or a step costs with few and with many limits, leases or waiters: it must be the same. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ScaleOrder, ScaleResult } from './scale-process.ts';
import { figure, row } from './table.ts';

/** What there are many of, as `scale-scenes.ts` names it. */
export const SCALE_ITEMS = ['limits', 'leases', 'waiters', 'contended limits'] as const;

export interface Scale {
  readonly items: string;
  /** One result each. */
  readonly counts: readonly number[];
  readonly results: readonly ScaleResult[];
}

const PROCESS = fileURLToPath(new URL('./scale-process.ts', import.meta.url));
/** An engine of a million is a gigabyte. */
const NODE_OPTIONS = ['--expose-gc', '--max-old-space-size=8000'];

/** Each engine is in a process of its own, one after the other. */
export async function measureScale(counts: readonly number[], progress: (text: string) => void): Promise<Scale[]> {
  const scales: Scale[] = [];
  for (const items of SCALE_ITEMS) {
    const results: ScaleResult[] = [];
    for (const count of counts) {
      progress(`${count} ${items}`);
      results.push(await measure({ items, count }));
    }
    scales.push({ items, counts, results });
  }
  return scales;
}

function measure(order: ScaleOrder): Promise<ScaleResult> {
  return new Promise((resolve, reject) => {
    const child = fork(PROCESS, [JSON.stringify(order)], { execArgv: NODE_OPTIONS });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    let result: ScaleResult | undefined;
    child.on('message', (message) => {
      result = message as ScaleResult;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('exit', kill);
      if (code === 0 && result) resolve(result);
      else
        reject(new Error(`The process with ${order.count} ${order.items} ended with ${signal ?? code} and no result.`));
    });
  });
}

export function scaleTable({ items, counts, results }: Scale): string[] {
  const [fewest, most] = [results[0]!, results.at(-1)!];
  const names = most.works.map(({ name }) => name);
  return [
    `## With many ${items}: mean CPU µs of a page of five, or of a step`,
    '',
    row('', ...counts.map((count) => count.toLocaleString('en')), 'most ÷ fewest'),
    row('---', ...Array.from({ length: counts.length + 1 }, () => '---:')),
    ...names.map((name, i) => {
      const ratio = most.works[i]!.meanUs / fewest.works[i]!.meanUs;
      return row(name, ...results.map(({ works }) => figure(works[i]!.meanUs)), figure(ratio, 2));
    }),
    row(
      'bytes an item',
      ...results.map(({ bytesPerItem }) => (bytesPerItem === null ? '–' : figure(bytesPerItem))),
      '',
    ),
  ];
}
