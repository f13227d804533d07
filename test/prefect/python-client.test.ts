/** An unmodified Prefect program in Python on our server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { type PythonEnded, PythonProgram } from './python-program.ts';

const PROCESSES = 5;
const JOBS_OF_EACH = 4;
const APIS = [
  { api: 'v1', path: '/concurrency_limits/', limit: { tag: 'jobs', concurrency_limit: 1 } },
  { api: 'v2', path: '/v2/concurrency_limits/', limit: { name: 'jobs', limit: 1 } },
];

for (const { api, path, limit } of APIS) {
  describeWithPython(`twenty jobs of five Python processes through a limit of 1, by API ${api}`, () => {
    let server: ServerProcess;
    let folder: string;
    let log: string;
    let outcomes: PythonEnded[];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'slotkeeper-jobs-'));
      log = join(folder, 'log');
      server = await ServerProcess.start();
      const made = await ask('POST', path, limit);
      expect(made.status).toBe(201);
      const settings = { PREFECT_API_URL: `${server.url}/api` };
      const args = [api, 'jobs', String(JOBS_OF_EACH), log];
      outcomes = await Promise.all(
        Array.from({ length: PROCESSES }, () => PythonProgram.run('jobs.py', args, settings)),
      );
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
      const name = api === 'v1' ? 'tag:jobs' : 'jobs';
      expect(await (await ask('GET', `/v2/concurrency_limits/${name}`)).json()).toMatchObject({ active_slots: 0 });
    });

    test('the clients have nothing to complain about', () => {
      expect(outcomes.map(({ stderr }) => stderr)).toEqual(outcomes.map(() => ''));
    });

    function ask(method: string, path: string, body?: unknown): Promise<Response> {
      const headers = { 'Content-Type': 'application/json' };
      const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) };
      return fetch(`${server.url}/api${path}`, { method, ...sent });
    }
  });
}
