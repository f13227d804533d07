/** What clients can make a server keep: each bound by its option, and what is refused names it. */
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { connect, SlotkeeperError } from 'slotkeeper';
import { expect, it } from 'vitest';
import { ServerProcess } from '../../../../test/server-process.ts';

async function refusal(doing: Promise<unknown>): Promise<SlotkeeperError> {
  const error = await doing.then(
    () => expect.fail('should have been refused'),
    (reason: unknown) => reason,
  );
  if (!SlotkeeperError.is(error)) throw error;
  return error;
}

it('a bound is an option, and what it refuses names that', async () => {
  await using server = await ServerProcess.start(
    '--max-limits',
    '2',
    '--max-leases',
    '3',
    '--max-waiters-per-client',
    '1',
  );
  await using keeper = await connect(server.url);
  await keeper.limits.ensure('db', { slots: 1 });
  await keeper.limits.ensure('gpu', { slots: 9 });
  const limit = await refusal(keeper.limits.ensure('third', { slots: 1 }));
  expect([limit.code, limit.message]).toEqual([
    'QUEUE_FULL',
    'No room for another one: limits on this server may be 2 at the most. Try again later, or raise --max-limits.',
  ]);
  const onPrefectsApi = await fetch(`${server.url}/api/v2/concurrency_limits/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'third', limit: 1 }),
  });
  expect([onPrefectsApi.status, await onPrefectsApi.json()]).toEqual([
    403,
    { detail: 'No room for another one: limits on this server may be 2 at the most.' },
  ]);
  const held = await Promise.all(['db', 'gpu', 'gpu'].map((name) => keeper.acquire(name)));
  const lease = await refusal(keeper.acquire('gpu'));
  expect(lease.message).toContain(
    'leases on this server may be 3 at the most. Try again later, or raise --max-leases.',
  );
  await held[2]!.release();
  const waits = keeper.acquire('db');
  const waiter = await refusal(keeper.acquire('db'));
  expect(waiter.message).toContain(
    'waiters of one client may be 1 at the most. Try again later, or raise --max-waiters-per-client.',
  );
  await held[0]!.release();
  await (await waits).release();
});

it('with --no-create limits are those that there are, by whatever door', async () => {
  await using server = new ServerProcess();
  await server.start();
  {
    await using keeper = await connect(server.url);
    await keeper.limits.ensure('db', { slots: 1 });
  }
  await server.stop();
  await server.start('0', '--no-create');
  await using keeper = await connect(server.url);
  await keeper.limits.set('db', { slots: 2 });
  for (const doing of [
    () => keeper.limits.ensure('other', { slots: 1 }),
    () => keeper.limits.set('other', { slots: 1 }),
    () => keeper.acquire('other', { onMissing: { slots: 1 } }),
  ]) {
    const { code, message } = await refusal(doing());
    expect([code, message]).toEqual([
      'LIMIT_NOT_FOUND',
      "There is no limit named 'other', and this server creates none for clients. Ask who runs the server for it: it was started with --no-create.",
    ]);
  }
  const doors = [
    ['v2/concurrency_limits', { name: 'other', limit: 1 }],
    ['concurrency_limits', { tag: 'other', concurrency_limit: 1 }],
  ] as const;
  for (const [path, body] of doors) {
    const answer = await fetch(`${server.url}/api/${path}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(403);
  }
  const listed = [];
  for await (const { name } of keeper.limits.list()) listed.push(name);
  expect(listed).toEqual(['db']);
});

it('a body that never ends is cut off', async () => {
  await using server = await ServerProcess.start();
  const { hostname, port } = new URL(server.url);
  const socket = connectSocket({ host: hostname, port: Number(port) });
  let answer = '';
  socket.on('data', (data) => {
    answer += data;
  });
  socket.write(
    `POST /api/v2/concurrency_limits/ HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
  );
  await once(socket, 'close');
  expect(answer).toContain('408 Request Timeout');
}, 150_000);
