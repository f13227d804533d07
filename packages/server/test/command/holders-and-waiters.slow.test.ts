import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connect } from 'slotkeeper';
import { expect, onTestFinished, test } from 'vitest';
import { sharedServer, slotkeeper, untilSomeoneWaits } from './built-command.ts';

const server = sharedServer();

/** One that holds two slots of `db`, and one that waits for one. */
async function heldAndWaitedFor() {
  const { url } = server;
  const keeper = await connect(url, { label: 'night shift' });
  onTestFinished(() => keeper.close());
  await keeper.limits.ensure('db', { slots: 2 });
  await keeper.limits.ensure('idle', { slots: 1 });
  const lease = await keeper.acquire({ db: 2 }, { holder: { type: 'job', id: '42' } });
  const waiting = keeper.acquire('db', { label: 'next one' });
  onTestFinished(async () => {
    await lease.release();
    await (await waiting).release();
  });
  await untilSomeoneWaits(keeper);
  return { lease, url };
}

test('holders and waiters are shown as tables', async () => {
  const { lease, url } = await heldAndWaitedFor();
  const [titles, holder, ...rest] = (await slotkeeper('holders', '--url', url)).stdout.split('\n');
  expect(titles).toMatch(/^LIMITS +HOLDER +WHERE +FOR +TOKEN +LEASE$/);
  expect(holder).toContain('db×2');
  expect(holder).toContain('job 42');
  expect(holder).toContain(`${process.pid}`);
  expect(holder).toContain(lease.id);
  expect(rest).toEqual(['']);
  const { stdout } = await slotkeeper('waiters', 'db', '--url', url);
  expect(stdout).toMatch(/^LIMITS +WAITER +WHERE +FOR +PRIORITY +HELD UP BY +TICKET\ndb +.*next one.*\n$/);
});

test('holders and waiters are printed as JSON arrays', async () => {
  const { lease, url } = await heldAndWaitedFor();
  const ask = async (...args: string[]) => JSON.parse((await slotkeeper(...args, '--json', '--url', url)).stdout);
  expect(await ask('holders')).toMatchObject([
    { leaseId: lease.id, token: lease.token, limits: [{ name: 'db', slots: 2 }], holder: { type: 'job', id: '42' } },
  ]);
  expect(await ask('waiters')).toMatchObject([{ limits: [{ name: 'db', slots: 1 }] }]);
  expect(await ask('holders', 'idle')).toEqual([]);
  expect(await ask('waiters', 'idle')).toEqual([]);
});

test('nobody there is a sentence', async () => {
  const { url } = await heldAndWaitedFor();
  expect(await slotkeeper('holders', 'idle', '--url', url)).toMatchObject({
    code: 0,
    stdout: "Nobody holds 'idle'.\n",
  });
  expect(await slotkeeper('waiters', 'idle', '--url', url)).toMatchObject({
    code: 0,
    stdout: "Nobody waits for 'idle'.\n",
  });
});

test('nobody at the address is in the end one sentence that says what to start', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await new Promise((resolve) => other.close(resolve));
  const { code, stdout, stderr } = await slotkeeper('holders', '--url', `http://127.0.0.1:${port}`);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  // After a second it says that it goes on asking.
  expect(stderr).toMatch(/^(Nobody listens at [^\n]*\n)?[^\n]+\n$/);
  expect(stderr).toContain(String(port));
  expect(stderr).toContain('slotkeeper serve');
});
