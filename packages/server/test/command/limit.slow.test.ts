import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MAIN, sharedServer, slotkeeper } from './built-command.ts';

const server = sharedServer();

async function json(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await slotkeeper(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

test('a limit is set, changed, read, listed and deleted', async () => {
  const { url } = server;
  const at = ['--url', url];
  expect(await json('limit', 'set', 'db', '--slots', '4', '--description', 'connections', ...at)).toMatchObject({
    name: 'db',
    slots: 4,
    active: true,
    description: 'connections',
    taken: 0,
    free: 4,
    holders: 0,
    waiters: 0,
  });
  await json('limit', 'set', 'db', '--inactive', '--max-waiters', '9', '--overtakes', '3', ...at);
  const changed = { name: 'db', slots: 4, active: false, maxWaiters: 9, overtakes: 3, description: 'connections' };
  expect(await json('limit', 'get', 'db', ...at)).toMatchObject(changed);
  await json('limit', 'set', 'emails', '--slots', '20', ...at);
  expect(await json('limit', 'ls', ...at)).toMatchObject([{ name: 'db' }, { name: 'emails' }]);
  expect(await json('limit', 'ls', '--prefix', 'em', ...at)).toMatchObject([{ name: 'emails' }]);
  expect(await json('limit', 'delete', 'db', ...at)).toEqual({ name: 'db', deleted: true });
  expect(await json('limit', 'ls', '--prefix', 'db', ...at)).toEqual([]);
});

test('for people there are aligned tables and sentences', async () => {
  const { url } = server;
  const say = async (...args: string[]) => (await slotkeeper(...args, '--url', url)).stdout;
  expect(await say('limit', 'ls')).toMatch(/^There are no limits yet/);
  expect(await say('limit', 'set', 'db', '--slots', '4', '--max-waiters', '100')).toBe(
    [
      'db',
      '  slots        4 (0 taken, 4 free)',
      '  holders      0',
      '  waiters      0 (at most 100)',
      '  state        open',
      '  overtakes    16',
      '',
    ].join('\n'),
  );
  await say('limit', 'set', 'long-name', '--slots', '1200', '--inactive', '--rate', '100/m');
  expect(await say('limit', 'ls')).toBe(
    [
      'NAME       SLOTS  RATE        TAKEN  FREE  HOLDERS  WAITERS  STATE     DESCRIPTION',
      'db             4                  0     4        0        0  open',
      'long-name   1200  100/minute      0  1200        0        0  inactive',
      '',
    ].join('\n'),
  );
  expect(await say('limit', 'delete', 'db')).toBe("Limit 'db' is deleted.\n");
});

test('a limit that is not there is one sentence that names it', async () => {
  const { url } = server;
  for (const verb of ['get', 'pause', 'drain', 'resume', 'delete']) {
    const { code, stdout, stderr } = await slotkeeper('limit', verb, 'nothing', '--url', url);
    expect({ verb, code, stdout }).toEqual({ verb, code: 1, stdout: '' });
    expect(stderr).toMatch(/^[^\n]*nothing[^\n]*slotkeeper limit set NAME[^\n]*\n$/);
  }
});

test('a new limit without slots is refused with what is lacking', async () => {
  const { url } = server;
  const { code, stderr } = await slotkeeper('limit', 'set', 'db', '--active', '--url', url);
  expect(code).toBe(2);
  expect(stderr).toContain('--slots');
});

test.each(['a/b', ''])('a name that cannot be is wrong usage: %j', async (name) => {
  const { url } = server;
  const { code, stdout, stderr } = await slotkeeper('limit', 'set', name, '--slots', '1', '--url', url);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^name must [^\n]+\n$/);
});

test('nobody at the address is in the end one sentence that says what to type', async () => {
  const { code, stderr } = await slotkeeper('limit', 'ls', '--url', 'http://127.0.0.1:9');
  expect(code).toBe(1);
  // After a second it says that it goes on asking.
  expect(stderr).toMatch(
    /^(Nobody listens at http:\/\/127\.0\.0\.1:9 [^\n]*\n)?[^\n]*127\.0\.0\.1:9[^\n]*--url[^\n]*slotkeeper serve[^\n]*\n$/,
  );
});

test.runIf(existsSync('/dev/full'))('an answer that cannot be written is one sentence', async () => {
  const { url } = server;
  const args = ['-c', '"$@" > /dev/full', 'sh', process.execPath, MAIN, 'limit', 'ls', '--url', url];
  const { status, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^[^\n]*stdout[^\n]*ENOSPC[^\n]*\n$/);
});

test('a held limit is deleted only by force', async () => {
  const { url, keeper } = server;
  await keeper.limits.ensure('db', { slots: 1 });
  const lease = await keeper.acquire('db');
  const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
  expect(await slotkeeper('limit', 'delete', 'db', '--url', url)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('--force'),
  });
  expect(await slotkeeper('limit', 'delete', 'db', '--force', '--url', url)).toMatchObject({ code: 0 });
  await lost;
  expect(lease.signal.reason).toMatchObject({ code: 'LEASE_REVOKED' });
});

test('a drain that somebody ends is one sentence that says how to go on', async () => {
  const { url, keeper } = server;
  await keeper.limits.ensure('my db', { slots: 1 });
  const lease = await keeper.acquire('my db');
  const drained = slotkeeper('limit', 'drain', 'my db', '--url', url);
  while ((await keeper.limits.get('my db')).mode !== 'draining');
  await keeper.limits.resume('my db');
  const { code, stdout, stderr } = await drained;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^[^\n]*'my db' was resumed[^\n]*slotkeeper limit drain 'my db'\.\n$/);
  await lease.release();
});

test('a limit is paused and resumed; drain ends when nobody holds it any more', async () => {
  const { url, keeper } = server;
  const at = ['--url', url];
  await keeper.limits.ensure('db', { slots: 1 });
  expect((await slotkeeper('limit', 'pause', 'db', ...at)).stdout).toContain('paused');
  expect((await slotkeeper('limit', 'resume', 'db', ...at)).stdout).toContain('open');
  const lease = await keeper.acquire('db');
  let isReleased = false;
  const drained = slotkeeper('limit', 'drain', 'db', ...at).then((ending) => ({ ...ending, isReleased }));
  for (;;) {
    const refusal = await keeper.tryAcquire('db').catch((error: { code: string }) => error.code);
    if (refusal === 'CONFLICT') break;
  }
  isReleased = true;
  await lease.release();
  expect(await drained).toMatchObject({ code: 0, isReleased: true, stdout: expect.stringContaining('draining') });
});
