/** The example in Python runs as it is, on our server. */
import { expect, test } from 'vitest';
import { runProgram } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { prefectCommands } from './venv.ts';

describeWithPython('examples/etl.py', () => {
  test('takes its slot and ends without a complaint', async () => {
    const python = `${await prefectCommands()}/python`;
    await using server = await ServerProcess.start();
    const url = `${server.url}/api`;
    await fetch(`${url}/concurrency_limits/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ tag: 'etl', concurrency_limit: 1 }),
    });
    const ended = await runProgram(python, ['examples/etl.py'], { PREFECT_API_URL: url });
    expect(ended.code).toBe(0);
    expect(ended.output.replace(/^Still processing items: .*\n/gm, '')).toBe('in\n');
  }, 300_000);
});
