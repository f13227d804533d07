import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { start, startUnbuilt, temporaryFolder } from './built-command.ts';

test('the demo keeps every promise, says so, and leaves nothing behind', { timeout: 600_000 }, async () => {
  const folder = await temporaryFolder();
  const { code, stdout, stderr } = await start(['demo'], { TMPDIR: folder }).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('kill -9 of worker');
  expect(stdout).toContain('kill -9 of the server');
  const [, sum] = stdout.split('Promised, and seen\n');
  expect(sum).toMatch(/✓ never too many +at most [123] of 3 slots at once, in \d+ grants/);
  expect(sum).toMatch(/✓ nothing left behind +taken 0, holders 0, waiters 0, processes 0/);
  expect(sum!.match(/✓/g)).toHaveLength(6);
  expect(sum).not.toContain('✗');
  expect(stdout).not.toContain('\x1b');
  expect(await readdir(folder)).toEqual([]);
});

test('an interrupted demo, from its sources, ends its processes and removes its folder', {
  timeout: 600_000,
}, async () => {
  const folder = await temporaryFolder();
  const run = startUnbuilt(['demo'], { TMPDIR: folder });
  const [, url] = await run.printed(/ready on (http:\S+?)\.\n/);
  await run.printed(/3 of 3 slots held/);
  run.child.kill('SIGINT');
  expect(await run.ended).toMatchObject({ code: 130, stderr: expect.stringMatching(/^Interrupted[^\n]+\n$/) });
  expect(await readdir(folder)).toEqual([]);
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
});
