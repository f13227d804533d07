/** `npm run bench -- [--small] [--only CONTENDER]… [--json] [--write]` */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { contenderNamed, contenders } from './contenders.ts';
import { describeMachine } from './machine.ts';
import { asJson, asMarkdown, type Report } from './report.ts';
import { runRounds, type Size } from './rounds.ts';

const FULL: Size = { rounds: 5, warmUpMs: 500, durationMs: 2000, handOvers: 1000 };
/** Too short for figures; long enough to show that everything still runs. */
const SMALL: Size = { rounds: 1, warmUpMs: 100, durationMs: 400, handOvers: 200 };

/** In the checkout, since a system's folder for temporary files may be memory, where nothing is durable. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
const RESULTS = fileURLToPath(new URL('../RESULTS.md', import.meta.url));

const { values: options } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

if (options.small && options.write) throw new Error('--small is too short for figures; leave it out to --write them.');

async function bench(folder: string): Promise<Report> {
  const size = options.small ? SMALL : FULL;
  const chosen = options.only.length > 0 ? options.only.map(contenderNamed) : contenders;
  const tried = chosen.map((contender) => ({ contender, why: contender.missing() }));
  const able = tried.filter(({ why }) => why === undefined).map(({ contender }) => contender);
  const skipped = tried.flatMap(({ contender, why }) =>
    why === undefined ? [] : [{ contender: contender.name, why }],
  );
  for (const { contender, why } of skipped) console.error(`${contender} is skipped: ${why}`);
  if (able.length === 0) throw new Error('No contender is left to measure.');

  const machine = describeMachine(folder);
  const rows = await runRounds(able, size, folder, (text) => console.error(text));
  const args = process.argv.slice(2).filter((arg) => arg !== '--write' && arg !== '--json');
  const byScript = process.env.npm_lifecycle_event === 'bench';
  const command = [byScript ? 'npm run bench --' : 'node bench/src/main.ts', ...args].join(' ').replace(/ --$/, '');
  return { date: new Date().toISOString().slice(0, 10), command, machine, size, skipped, rows };
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(join(CACHE, 'slotkeeper-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const report = await bench(folder);
if (options.write) writeFileSync(RESULTS, asMarkdown(report));
console.log(options.json ? asJson(report) : asMarkdown(report));
