/** An unmodified Prefect program in Python on our server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { QUIET } from './prefect-server.ts';
import { prefectCommands } from './venv.ts';

const JOBS = fileURLToPath(new URL('jobs.py', import.meta.url));
/** What Prefect's client says when its program ends while its last events are on their way. */
const FAREWELL = /^Still processing items: .*\n/gm;
const PROCESSES = 5;
const JOBS_OF_EACH = 4;

interface Outcome {
  readonly code: number | null;
  readonly stderr: string;
}

describeWithPython('twenty jobs of five Python processes through a limit of 1', () => {
  let server: ServerProcess;
  let folder: string;
  let python: string;
  let log: string;
  let outcomes: Outcome[];

  beforeAll(async () => {
    python = `${await prefectCommands()}/python`;
    folder = mkdtempSync(join(tmpdir(), 'slotkeeper-python-'));
    log = join(folder, 'log');
    server = await ServerProcess.start();
    await post('/concurrency_limits/', { tag: 'jobs', concurrency_limit: 1 });
    outcomes = await Promise.all(Array.from({ length: PROCESSES }, () => runJobs('jobs')));
  }, 300_000);

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  test('never two at once, and every job is done', () => {
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 0));
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    const begun = lines.filter((line) => line.startsWith('begin ')).map((line) => line.slice('begin '.length));
    expect(new Set(begun).size).toBe(PROCESSES * JOBS_OF_EACH);
    expect(lines).toEqual(begun.flatMap((job) => [`begin ${job}`, `end ${job}`]));
  });

  test('nothing stays taken', async () => {
    expect(await get('/concurrency_limits/tag/jobs')).toMatchObject({ active_slots: [] });
  });

  test('the clients have nothing to complain about', () => {
    expect(outcomes.map(({ stderr }) => stderr.replace(FAREWELL, ''))).toEqual(outcomes.map(() => ''));
  });

  async function runJobs(tag: string): Promise<Outcome> {
    const child = spawn(python, [JOBS, tag, String(JOBS_OF_EACH), log], {
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        PREFECT_HOME: folder,
        PREFECT_API_URL: `${server.url}/api`,
        ...QUIET,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [[code], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    return { code, stderr };
  }

  async function post(path: string, body: unknown): Promise<void> {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${server.url}/api${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(201);
  }

  async function get(path: string): Promise<unknown> {
    return (await fetch(`${server.url}/api${path}`)).json();
  }
});
