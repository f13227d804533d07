/** Twenty jobs of 50 ms through a limit of one slot, in five processes with Prefect's own client. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { QUIET } from '../../test/prefect/prefect-server.ts';
import { prefectCommands, whyNoPython } from '../../test/prefect/venv.ts';
import { create } from './prefect-api.ts';
import type { Case, CaseTarget } from './suite.ts';

const PROGRAM = fileURLToPath(new URL('./twenty-jobs.py', import.meta.url));
const PROCESSES = 5;
const JOBS_OF_EACH = 4;
const JOB_SECONDS = 0.05;
const LIMIT = 'twenty-jobs';

const PLACES = {
  bare: 'in bare programs, whose client reconnects for each release',
  flow: 'with a client that is kept, as in flows',
};
type Place = keyof typeof PLACES;

/** From the moment at which all processes are told to start until the last job is done. */
export function twentyJobs(place: Place): Case {
  return {
    name: `twenty-jobs-${place}`,
    title: () => `Twenty jobs of 50 ms through a limit of one slot, five processes of Python, ${PLACES[place]}`,
    figures: ['seconds', 'of these somebody had the slot'],
    ideal: () => PROCESSES * JOBS_OF_EACH * JOB_SECONDS,
    missing: whyNoPython,
    asks: ({ prefectApi }) => prefectApi !== undefined,
    run: (target) => runJobs(place, target),
  };
}

async function runJobs(place: Place, target: CaseTarget): Promise<readonly number[]> {
  await createLimit(target);
  const python = `${await prefectCommands()}/python`;
  const programs = Array.from({ length: PROCESSES }, () => new Program(python, place, target));
  try {
    await Promise.all(programs.map((program) => program.says(/ready\n/)));
    const startMs = performance.now();
    for (const program of programs) program.start();
    const held = await Promise.all(programs.map((program) => program.says(/done (.+)\n/)));
    const seconds = (performance.now() - startMs) / 1000;
    return [seconds, held.reduce((sum, own) => sum + Number(own[1]), 0)];
  } finally {
    await Promise.all(programs.map((program) => program.end()));
  }
}

function createLimit({ api, url }: CaseTarget): Promise<void> {
  return api === 'v1'
    ? create(url, '/concurrency_limits/', { tag: LIMIT, concurrency_limit: 1 })
    : create(url, '/v2/concurrency_limits/', { name: LIMIT, limit: 1 });
}

class Program {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<unknown>;
  readonly #complaints: Promise<string>;
  readonly #kill = () => this.#child.kill('SIGKILL');
  #output = '';

  constructor(python: string, place: Place, { url, api, folder }: CaseTarget) {
    const home = mkdtempSync(join(folder, 'program-'));
    const env = { PATH: process.env.PATH, HOME: home, PREFECT_HOME: home, PREFECT_API_URL: url, ...QUIET };
    const args = [PROGRAM, api, place, LIMIT, String(JOBS_OF_EACH)];
    this.#child = spawn(python, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    process.on('exit', this.#kill);
    this.#exited = once(this.#child, 'exit');
    this.#complaints = text(this.#child.stderr);
    this.#child.stdout.on('data', (chunk) => {
      this.#output += chunk;
    });
  }

  async says(line: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const said = line.exec(this.#output);
      if (said) return said;
      const ended = await Promise.race([once(this.#child.stdout, 'data').then(() => false), this.#exited]);
      if (ended !== false) throw new Error(`It ended before it said ${line}:\n${await this.#complaints}`);
    }
  }

  start(): void {
    this.#child.stdin.write('\n');
  }

  /** What it still has to say (events on their way) is not waited for. */
  async end(): Promise<void> {
    process.off('exit', this.#kill);
    this.#kill();
    await this.#exited;
  }
}
