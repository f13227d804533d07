/** `npm run bench -- [--small] [--only CONTENDER|scale]… [--json] [--write]` */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { dataFolder } from './data-folder.ts';
import { describeMachine } from './machine.ts';
import { asJson, asMarkdown, type Report, type Result } from './report.ts';
import { type Field, runRounds, type Size } from './rounds.ts';
import { measureScale } from './scale.ts';
import { serversOf } from './suite.ts';
import { contenderNamed, suites } from './suites.ts';

const FULL: Size = {
  rounds: 3,
  warmUp: () => ({ ms: 500 }),
  span: () => ({ ms: 2000 }),
  handOvers: 1000,
  caseRounds: 1,
  caseSeconds: 30,
};
const FULL_COUNTS = [10, 100_000, 1_000_000];
/** Too short for figures; long enough to show that everything still runs. */
const SMALL: Size = {
  rounds: 1,
  warmUp: () => ({ ms: 100 }),
  span: () => ({ ms: 400 }),
  handOvers: 200,
  caseRounds: 1,
  caseSeconds: 2,
};
const SMALL_COUNTS = [10, 1_000];
/** As `--only` names what is measured with many limits, leases and waiters. */
const SCALE = 'scale';

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

type Skipped = Report['skipped'][number];

async function bench(folder: string): Promise<Report> {
  const size = options.small ? SMALL : FULL;
  const { fields, skipped } = takingPart();
  for (const { name, why } of skipped) console.error(`${name} is skipped: ${why}`);
  const measuresScale = options.only.length === 0 || options.only.includes(SCALE);
  if (fields.length === 0 && !measuresScale) throw new Error('No contender is left to measure.');

  const machine = describeMachine(folder);
  const results: Result[] = [];
  for (const [i, field] of fields.entries()) {
    const ownFolder = join(folder, String(i));
    mkdirSync(ownFolder);
    results.push({ ...field, rows: await runRounds(field, size, ownFolder, (text) => console.error(text)) });
  }
  const counts = options.small ? SMALL_COUNTS : FULL_COUNTS;
  const scales = measuresScale ? await measureScale(counts, (text) => console.error(text)) : [];
  const args = process.argv.slice(2).filter((arg) => arg !== '--write' && arg !== '--json');
  const byScript = process.env.npm_lifecycle_event === 'bench';
  const command = [byScript ? 'npm run bench --' : 'node bench/src/main.ts', ...args].join(' ').replace(/ --$/, '');
  return { date: new Date().toISOString().slice(0, 10), command, machine, size, skipped, results, scales };
}

/** Of each suite what was chosen and can be measured here. */
function takingPart(): { fields: Field[]; skipped: Skipped[] } {
  const takesAll = options.only.length === 0;
  const chosen = new Set(options.only.filter((name) => name !== SCALE).map(contenderNamed));
  const skipped: Skipped[] = [];
  const isAble = (name: string, why: string | undefined): boolean => {
    if (why !== undefined) skipped.push({ name, why });
    return why === undefined;
  };
  const fields = suites.map((suite): Field => {
    const wanted = suite.contenders.filter((contender) => takesAll || chosen.has(contender));
    const able = new Set(
      [...serversOf(wanted)].filter((server) => {
        const leftOut = server.slow && options.small && takesAll;
        return isAble(server.name, leftOut ? 'it is too slow for the small size; --only has it' : server.missing());
      }),
    );
    const contenders = wanted.filter(({ server }) => able.has(server));
    const cases = suite.cases.filter((each) => contenders.some(each.asks) && isAble(each.name, each.missing()));
    return { suite, contenders, cases };
  });
  return { fields: fields.filter(({ contenders }) => contenders.length > 0), skipped };
}

const report = await bench(dataFolder());
if (options.write) writeFileSync(RESULTS, asMarkdown(report));
console.log(options.json ? asJson(report) : asMarkdown(report));
