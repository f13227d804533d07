/** The front restarts under a flow of tagged tasks. Behind a socket from outside no task hears of it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { SocketUnit } from '../socket-unit.ts';
import { describeWithPython } from './describe-with-python.ts';
import { PrefectServer } from './prefect-server.ts';
import { PythonProgram } from './python-program.ts';

const TASKS = 40;
const SLOTS = 4;

describeWithPython('a restart behind a socket from outside', () => {
  test('under a flow of forty tagged tasks refuses no connection, and the limit holds', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-restart-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    await using prefect = await PrefectServer.start();
    await using unit = await SocketUnit.open('--upstream', prefect.url);
    await unit.start();
    const body = JSON.stringify({ tag: 'shared', concurrency_limit: SLOTS });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${unit.url}/api/concurrency_limits/`, { method: 'POST', headers, body });
    const log = join(folder, 'log');
    await using flow = await PythonProgram.start('flow.py', ['shared', String(TASKS), log], {
      PREFECT_API_URL: `${unit.url}/api`,
    });
    const lines = (): string[] => readFileSync(log, 'utf8').trimEnd().split('\n');
    for (const ended of [5, 20]) {
      await eventually(() => expect(lines().filter((line) => line.startsWith('end ')).length).toBeGreaterThan(ended));
      expect(await unit.stop()).toBe(0);
      await unit.start();
    }
    const { code, stderr } = await flow.end();
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain('ConnectError');
    let held = 0;
    const levels = lines().map((line) => {
      held += line.startsWith('begin ') ? 1 : -1;
      return held;
    });
    expect(levels).toHaveLength(2 * TASKS);
    expect(Math.max(...levels)).toBeLessThanOrEqual(SLOTS);
  }, 600_000);
});
