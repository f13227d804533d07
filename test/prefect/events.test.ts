/** An unmodified Prefect program in Python that follows events on our server, and looks them up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, runProgram } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { QUIET } from './prefect-server.ts';
import { prefectCommands } from './venv.ts';

const PROGRAM = join(ROOT, 'test/prefect/follow_events.py');

interface ToldEvent {
  readonly id: string;
  readonly occurred: string;
  readonly event: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly follows: string | null;
}

describeWithPython('a Python program that follows events', () => {
  let home: string;
  let told: ToldEvent[];
  let found: ToldEvent[];
  let complaints: string[];

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'slotkeeper-events-'));
    await using server = await ServerProcess.start('--auth-string', 'user:password');
    await create(server, '/concurrency_limits/', { tag: 'etl', concurrency_limit: 1 });
    for (const name of ['db', 'gpu']) await create(server, '/v2/concurrency_limits/', { name, limit: 2 });
    await create(server, '/v2/concurrency_limits/', { name: 'emails', limit: 5, slot_decay_per_second: 0.1 });
    const { code, output } = await runProgram(`${await prefectCommands()}/python`, [PROGRAM], {
      HOME: home,
      PREFECT_HOME: home,
      PREFECT_API_URL: `${server.url}/api`,
      PREFECT_API_AUTH_STRING: 'user:password',
      ...QUIET,
    });
    if (code !== 0) throw new Error(output);
    const lines = output.trim().split('\n');
    [told, found] = lines.filter((line) => line.startsWith('[')).map((line) => JSON.parse(line)) as [
      ToldEvent[],
      ToldEvent[],
    ];
    complaints = lines.filter((line) => !line.startsWith('[') && !line.startsWith('Still processing items: '));
  }, 300_000);

  afterAll(() => rmSync(home, { recursive: true, force: true }));

  test('is told of its own events, and of each grant and each end once', () => {
    expect(told.map(({ event, resource }) => `${event} ${resource['prefect.resource.name'] ?? ''}`).sort()).toEqual([
      'prefect.concurrency-limit.acquired db',
      'prefect.concurrency-limit.acquired emails',
      'prefect.concurrency-limit.acquired gpu',
      'prefect.concurrency-limit.released db',
      'prefect.concurrency-limit.released gpu',
      'prefect.concurrency-limit.v1.acquired etl',
      'prefect.concurrency-limit.v1.released etl',
      'shop.opened ',
    ]);
  });

  test('is told which release follows which grant', () => {
    const acquired = told.filter(({ event }) => event.endsWith('acquired'));
    const released = told.filter(({ event }) => event.endsWith('released'));
    for (const { follows, resource, payload } of released) {
      expect(acquired.find(({ id }) => id === follows)?.resource).toEqual(resource);
      expect(payload.cause).toBe('returned');
    }
  });

  test('finds the same, page by page, and nothing else', () => {
    const byTime = (a: ToldEvent, b: ToldEvent): number => (a.occurred + a.id < b.occurred + b.id ? -1 : 1);
    expect([...found].sort(byTime)).toEqual([...told].sort(byTime));
  });

  test('has nothing to complain about', () => {
    expect(complaints).toEqual([]);
  });
});

async function create(server: ServerProcess, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${server.url}/api${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from('user:password').toString('base64')}`,
    },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
}
