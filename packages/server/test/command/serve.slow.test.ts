import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from 'slotkeeper';
import { expect, onTestFinished, test } from 'vitest';
import { type Ending, slotkeeper, start, startServer, temporaryFolder, untilSomeoneWaits } from './built-command.ts';

/** Failed with nothing on stdout and one line on stderr; resolves to that line. */
function failure({ code, stdout, stderr }: Ending): string {
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^[^\n]+\n$/);
  return stderr;
}

test('the built command knows its version', async () => {
  expect(await slotkeeper('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test('prints one line when it can serve, and ends with 0 at SIGTERM', async () => {
  const { run, url, data } = await startServer();
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  run.child.kill('SIGTERM');
  const { code, stdout, stderr } = await run.ended;
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /Started from the journal at position 0: 0 limits and 0 leases\.[\s\S]*Stopping: no new work is taken/,
  );
  expect(stdout).toMatch(/^slotkeeper \d+\.\d+\.\d+ ready on http:\/\/127\.0\.0\.1:\d+ \(sqlite .+\)\n$/);
  expect(stdout).toContain(`(sqlite ${data})`);
});

test('ends with 0 at SIGINT, also with a client that holds and one that waits', async () => {
  const { run, url } = await startServer();
  const keeper = await connect(url, { ttlSeconds: 2 });
  onTestFinished(() => keeper.close());
  await keeper.limits.ensure('db', { slots: 1 });
  const lease = await keeper.acquire('db');
  const leaving = new AbortController();
  const waiting = keeper.acquire('db', { signal: leaving.signal }).catch(() => undefined);
  await untilSomeoneWaits(keeper);
  run.child.kill('SIGINT');
  expect((await run.ended).code).toBe(0);
  leaving.abort();
  await waiting;
  await lease.release();
});

test('what it kept is there after a restart', async () => {
  const { run, url, data } = await startServer();
  expect((await slotkeeper('limit', 'set', 'db', '--slots', '7', '--url', url)).code).toBe(0);
  run.child.kill('SIGTERM');
  await run.ended;
  const again = start(['serve'], { SLOTKEEPER_LISTEN_PORT: '0', SLOTKEEPER_DATA: data });
  const [, newUrl] = await again.printed(/ready on (\S+)/);
  const { stdout } = await slotkeeper('limit', 'get', 'db', '--json', '--url', newUrl!);
  expect(JSON.parse(stdout)).toMatchObject({ name: 'db', slots: 7 });
});

test('a port that is taken is one sentence that names it', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const port = String((other.address() as AddressInfo).port);
  const data = join(await temporaryFolder(), 'data');
  const told = failure(await slotkeeper('serve', '--port', port, '--data', data));
  expect(told).toContain(`Port ${port} on 127.0.0.1 is taken`);
  expect(told).toContain('--port');
});

test('an address of IPv6 may stand in brackets, as in the line that says that it is ready', async () => {
  const { run, url } = await startServer(['--host', '[::1]']);
  expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  expect((await slotkeeper('limit', 'ls', '--url', url)).code).toBe(0);
  run.child.kill('SIGTERM');
  expect((await run.ended).stderr).not.toContain('WARNING');
});

test('an address of another machine is one sentence that names it', async () => {
  const data = join(await temporaryFolder(), 'data');
  const told = failure(
    await slotkeeper('serve', '--port', '0', '--host', '192.0.2.1', '--api-key', 'k', '--data', data),
  );
  expect(told).toContain('192.0.2.1');
});

test('a folder that cannot be written is one sentence that names it', async () => {
  const file = join(await temporaryFolder(), 'a-file');
  await writeFile(file, '');
  const data = join(file, 'data');
  expect(failure(await slotkeeper('serve', '--port', '0', '--data', data))).toContain(data);
});

test('a second server on the same data is refused and told who has it', async () => {
  const { run, url, data } = await startServer();
  const told = failure(await slotkeeper('serve', '--port', '0', '--data', data));
  expect(told).toContain(data);
  expect(told).toContain(String(run.child.pid));
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
});

test('a server beyond this machine without a key is warned of, one with a key is not', async () => {
  for (const [key, warns] of [
    [[], true],
    [['--api-key', 'k'], false],
  ] as const) {
    const { run } = await startServer(['--host', '0.0.0.0', ...key]);
    run.child.kill('SIGTERM');
    expect((await run.ended).stderr.includes('open to everyone')).toBe(warns);
  }
});

test('a key is asked for, and taken from option or variable', async () => {
  const { url } = await startServer(['--api-key', 'sesame']);
  const none = await slotkeeper('limit', 'ls', '--url', url);
  expect(none).toMatchObject({ code: 1, stdout: '' });
  expect(none.stderr).toContain('--api-key');
  expect(await slotkeeper('limit', 'ls', '--url', url, '--api-key', 'open')).toMatchObject({ code: 1 });
  expect(await slotkeeper('limit', 'ls', '--url', url, '--api-key', 'sesame')).toMatchObject({ code: 0 });
  const env = { SLOTKEEPER_URL: url, SLOTKEEPER_API_KEY: 'sesame' };
  expect(await start(['limit', 'ls'], env).ended).toMatchObject({ code: 0 });
});

test("Prefect's clients are told the version that was set, and a v1 holder is let go after its time", async () => {
  const { url } = await startServer(['--prefect-version', '3.9.0', '--v1-lease-seconds', '3600']);
  expect(await (await fetch(`${url}/api/admin/version`)).json()).toBe('3.9.0');
  const post = (path: string, body: object) =>
    fetch(`${url}/api/concurrency_limits/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await post('', { tag: 'etl', concurrency_limit: 1 });
  await post('increment', { names: ['etl'], task_run_id: '3f1c9f0e-5a3b-4c1e-9b0a-0d8e6a1f2b3c' });
  const keeper = await connect(url);
  onTestFinished(() => keeper.close());
  const [holder] = await keeper.holders('tag:etl');
  expect(holder!.expiresAt!.getTime() - holder!.since.getTime()).toBeCloseTo(3_600_000, -3);
});

test('says how much history it keeps, and takes both bounds by option or by variable', async () => {
  const { run } = await startServer(['--retention-bytes', '64MiB']);
  await run.printed(/ready on/);
  run.child.kill('SIGTERM');
  expect((await run.ended).stderr).toContain('History is kept for 7 days and up to 64MiB');
  const data = join(await temporaryFolder(), 'data');
  const other = start(['serve'], {
    SLOTKEEPER_LISTEN_PORT: '0',
    SLOTKEEPER_DATA: data,
    SLOTKEEPER_RETENTION_DAYS: '30',
    SLOTKEEPER_RETENTION_BYTES: '2GiB',
  });
  await other.printed(/ready on/);
  other.child.kill('SIGTERM');
  expect((await other.ended).stderr).toContain('History is kept for 30 days and up to 2GiB');
});
