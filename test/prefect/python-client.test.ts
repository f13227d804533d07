/** An unmodified Prefect program in Python on our server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { QUIET } from './prefect-server.ts';
import { SlotkeeperServer } from './slotkeeper-server.ts';
import { prefectCommands, whyNoPython } from './venv.ts';

const JOBS = fileURLToPath(new URL('jobs.py', import.meta.url));
/** What Prefect's client says when its program ends while its last events are on their way. */
const FAREWELL = /^Still processing items: .*\n/gm;
const PROCESSES = 5;
const JOBS_OF_EACH = 4;

const reason = whyNoPython();

describe.skipIf(reason !== undefined)(`stock Prefect clients${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: SlotkeeperServer;
  let folder: string;
  let python: string;

  beforeAll(async () => {
    python = `${prefectCommands()}/python`;
    folder = mkdtempSync(join(tmpdir(), 'slotkeeper-python-'));
    server = await SlotkeeperServer.start();
  }, 300_000);

  afterAll(async () => {
    await server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  test('twenty jobs of five Python processes go through a limit of 1, never two at once', {
    timeout: 120_000,
  }, async () => {
    const log = join(folder, 'log');
    await post('/concurrency_limits/', { tag: 'jobs', concurrency_limit: 1 });
    const outcomes = await Promise.all(Array.from({ length: PROCESSES }, () => runJobs('jobs', log)));
    expect(outcomes).toEqual(outcomes.map(() => ({ code: 0, stderr: '' })));

    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(2 * PROCESSES * JOBS_OF_EACH);
    const begun = lines.filter((line) => line.startsWith('begin ')).map((line) => line.slice('begin '.length));
    expect(new Set(begun).size).toBe(PROCESSES * JOBS_OF_EACH);
    expect(lines).toEqual(begun.flatMap((job) => [`begin ${job}`, `end ${job}`]));
    expect(await get('/concurrency_limits/tag/jobs')).toMatchObject({ active_slots: [] });
  });

  async function runJobs(tag: string, log: string): Promise<{ code: number | null; stderr: string }> {
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
    return { code, stderr: stderr.replace(FAREWELL, '') };
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
