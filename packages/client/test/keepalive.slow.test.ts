/** Whether a keeper alone keeps its process alive, as Node itself sees it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const keepalive = fileURLToPath(new URL('../src/keepalive.ts', import.meta.url));

function run(program: string): { stdout: string; status: number | null } {
  const source = `
    import { Keepalive } from ${JSON.stringify(keepalive)};
    const keepalive = new Keepalive();
    keepalive.busy = true;
    ${program}`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
  });
  return { stdout, status };
}

test('alone it is told, and goes on keeping the process', () => {
  const program = `
    keepalive.ifAlone(() => {
      console.log('alone');
      setTimeout(() => { console.log('still here'); keepalive.busy = false; }, 10).unref();
    });`;
  expect(run(program)).toEqual({ stdout: 'alone\nstill here\n', status: 0 });
});

test.each([
  ['a timer', 'setTimeout(() => process.exit(), 1_500);'],
  [
    'a worker',
    `const { Worker } = await import('node:worker_threads');
    new Worker('setTimeout(() => {}, 1500)', { eval: true }).once('exit', () => process.exit());`,
  ],
])('with %s it is not', (_, other) => {
  expect(run(`${other} keepalive.ifAlone(() => console.log('alone'));`).stdout).toBe('');
});
