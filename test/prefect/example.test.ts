/** The examples for Prefect run as they are, on our server. */
import { expect, test } from 'vitest';
import { runProgram } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { prefectCommands } from './venv.ts';

/** What Prefect's client says when its program ends while its last events are on their way. */
const FAREWELL = /^Still processing items: .*\n/gm;

async function create(url: string, path: string, limit: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const made = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(limit) });
  expect(made.status).toBe(201);
}

describeWithPython('examples in Python', () => {
  test('etl.py takes its slot and ends without a complaint', async () => {
    const python = `${await prefectCommands()}/python`;
    await using server = await ServerProcess.start();
    const url = `${server.url}/api`;
    await create(url, '/concurrency_limits/', { tag: 'etl', concurrency_limit: 1 });
    const ended = await runProgram(python, ['examples/etl.py'], { PREFECT_API_URL: url });
    expect(ended.code).toBe(0);
    expect(ended.output.replace(FAREWELL, '')).toBe('in\n');
  }, 300_000);

  test('llm.py stays within its connections and its rate', async () => {
    const python = `${await prefectCommands()}/python`;
    await using server = await ServerProcess.start();
    const url = `${server.url}/api`;
    await create(url, '/v2/concurrency_limits/', { name: 'llm-connections', limit: 2 });
    await create(url, '/v2/concurrency_limits/', { name: 'llm-calls', limit: 10, slot_decay_per_second: 5 });
    const ended = await runProgram(python, ['examples/llm.py'], { PREFECT_API_URL: url });
    expect(ended.code).toBe(0);
    expect(ended.output.replace(FAREWELL, '')).toBe('one: 42\ntwo: 42\nthree: 42\nfour: 42\n');
  }, 300_000);

  test('move_back.py makes the limits of one server those of another, as often as it is run', async () => {
    const python = `${await prefectCommands()}/python`;
    await using here = await ServerProcess.start();
    await using there = await ServerProcess.start();
    const limits = [
      { name: 'db of two', limit: 2, active: true, slot_decay_per_second: 0 },
      { name: 'rate', limit: 3, active: true, slot_decay_per_second: 0.25 },
      { name: 'tag:etl', limit: 1, active: false, slot_decay_per_second: 0 },
    ];
    for (const limit of limits) await create(`${here.url}/api`, '/v2/concurrency_limits/', limit);
    await create(`${there.url}/api`, '/v2/concurrency_limits/', { name: 'rate', limit: 30 });
    const ofDeployment = { name: 'deployment:0f8fad5b-d9cb-469f-a165-70867728950e', limit: 7 };
    await create(`${there.url}/api`, '/v2/concurrency_limits/', ofDeployment);
    await create(`${here.url}/api`, '/v2/concurrency_limits/', { ...ofDeployment, limit: 3 });
    for (let times = 0; times < 2; times++) {
      const ended = await runProgram(python, ['examples/move_back.py', `${here.url}/api`, `${there.url}/api`], {});
      expect(ended).toEqual({ code: 0, output: 'db of two\nrate\ntag:etl\n' });
    }
    const moved = await fetch(`${there.url}/api/v2/concurrency_limits/filter`, { method: 'POST' });
    const [first, ...others] = limits;
    expect(await moved.json()).toMatchObject([first, ofDeployment, ...others]);
  }, 300_000);
});

test('prefect-v2.ts shares its limits with them, spoken to by the session protocol', async () => {
  await using server = await ServerProcess.start();
  const url = `${server.url}/api`;
  await create(url, '/v2/concurrency_limits/', { name: 'database', limit: 2 });
  await create(url, '/v2/concurrency_limits/', { name: 'api', limit: 10, slot_decay_per_second: 5 });
  const ended = await runProgram(process.execPath, ['examples/prefect-v2.ts'], { PREFECT_API_URL: url });
  expect(ended).toEqual({ code: 0, output: 'north, south, east, west; at most 2 at once in this process\n' });
});
