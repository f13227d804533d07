/** Programs that use Prefect's names and close nothing: what keeps their process, and what they leave behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { FakePrefect as FakePrefectV1 } from './v1/fake-prefect.ts';
import { FakePrefect as FakePrefectV2 } from './v2/fake-prefect.ts';

async function run(program: string, url: string, ...args: string[]): Promise<unknown[]> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const env = { ...process.env, SLOTKEEPER_URL: url, PREFECT_API_KEY: undefined, PREFECT_API_AUTH_STRING: undefined };
  const child = spawn(process.execPath, ['--conditions', 'slotkeeper:source', path, ...args], {
    stdio: 'inherit',
    env,
  });
  return await once(child, 'exit');
}

test('v1: a program that has given back its slots ends by itself, when its events have arrived', async () => {
  const prefect = await FakePrefectV1.start();
  onTestFinished(() => prefect.stop());
  prefect.limits.set('db', 2);
  expect(await run('v1/program.ts', prefect.url, 'db', '0196a2c4-7c1e-7d55-8a86-0d1f6a3f9b01')).toEqual([0, null]);
  expect(prefect.holders.get('db')).toEqual([]);
  expect(prefect.events).toHaveLength(2);
});

test('v2: a program goes on while it holds slots, and ends by itself when its events have arrived', async () => {
  const prefect = await FakePrefectV2.start();
  onTestFinished(() => prefect.stop());
  prefect.limits.set('db', 2);
  expect(await run('v2/program.ts', prefect.url, 'db')).toEqual([0, null]);
  expect(prefect.changes()).toEqual(['increment-with-lease', 'decrement-with-lease', 'increment']);
  expect(prefect.events).toHaveLength(3);
});
