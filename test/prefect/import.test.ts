/** `slotkeeper import prefect` from a real Prefect server that is protected in every way it can be. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { connect, type Limit } from 'slotkeeper';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, runProgram } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { PrefectServer } from './prefect-server.ts';

const MAIN = join(ROOT, 'packages/server/dist/main.js');
const AUTH_STRING = 'admin:secret';
const BUSY_TRIES_MAX = 50;

describeWithPython('import from a stock Prefect server', () => {
  let theirs: PrefectServer;
  let ours: ServerProcess;

  beforeAll(async () => {
    [theirs, ours] = await Promise.all([
      PrefectServer.start({
        PREFECT_SERVER_API_AUTH_STRING: AUTH_STRING,
        PREFECT_SERVER_CSRF_PROTECTION_ENABLED: 'true',
      }),
      ServerProcess.start(),
    ]);
    await create('/v2/concurrency_limits/', { name: 'plain', limit: 4 });
    await create('/v2/concurrency_limits/', { name: 'a rate', limit: 10, slot_decay_per_second: 0.5 });
    await create('/v2/concurrency_limits/', { name: 'switched off', limit: 2, active: false });
    await create('/concurrency_limits/', { tag: 'etl', concurrency_limit: 1 });
    await create('/concurrency_limits/increment', { names: ['etl'], task_run_id: randomUUID() });
  }, 300_000);

  afterAll(async () => {
    await theirs?.stop();
    await ours?.[Symbol.asyncDispose]();
  });

  test('its limits are ours as they were there, except for the slots in use', async () => {
    const { code, output } = await take();
    expect(code, output).toBe(0);
    expect(output).toContain('4 limits there: 4 created, 0 updated, 0 unchanged, 0 left out.');
    expect(output).toContain("here they are free: 'tag:etl'.");
    await using keeper = await connect(ours.url);
    const limits: Limit[] = [];
    for await (const limit of keeper.limits.list()) limits.push(limit);
    expect(limits).toMatchObject([
      { name: 'a rate', slots: 10, slotDecayPerSecond: 0.5, active: true, taken: 0 },
      { name: 'plain', slots: 4, slotDecayPerSecond: null, active: true, taken: 0 },
      { name: 'switched off', slots: 2, slotDecayPerSecond: null, active: false, taken: 0 },
      { name: 'tag:etl', slots: 1, slotDecayPerSecond: null, active: true, taken: 0 },
    ]);
  });

  test('a second time follows what has changed there since', async () => {
    await create('/concurrency_limits/', { tag: 'etl', concurrency_limit: 3 });
    const { code, output } = await take();
    expect(code, output).toBe(0);
    expect(output).toContain('updated, was 1 slot');
    expect(output).toContain('4 limits there: 0 created, 1 updated, 3 unchanged, 0 left out.');
  });

  function take(): Promise<{ code: number; output: string }> {
    const args = [MAIN, 'import', 'prefect', theirs.url, '--url', ours.url];
    return runProgram(process.execPath, args, { PREFECT_API_AUTH_STRING: AUTH_STRING });
  }

  async function create(path: string, body: unknown): Promise<void> {
    const client = randomUUID();
    const Authorization = `Basic ${btoa(AUTH_STRING)}`;
    for (let tries = 1; ; tries++) {
      const csrf = await fetch(`${theirs.url}/csrf-token?client=${client}`, { headers: { Authorization } });
      const { token = '' } = (await csrf.json()) as { token?: string };
      const headers = {
        Authorization,
        'Content-Type': 'application/json',
        'Prefect-Csrf-Client': client,
        'Prefect-Csrf-Token': token,
      };
      const answer = await fetch(theirs.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      if (answer.ok) return;
      // Over SQLite it is busy whenever two of its parts write at once; nothing has happened then.
      if (answer.status !== 503 || tries === BUSY_TRIES_MAX) throw new Error(`${path}: ${await answer.text()}`);
    }
  }
});
