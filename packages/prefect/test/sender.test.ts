/** What is known of a Prefect client that holds slots or waits for them: it has no session that could tell more. */
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { ApiServer } from './prefect-server.ts';

const TAKE = '/v2/concurrency_limits/increment-with-lease';

it('is its address and its program, beside the task run if it tells one', async () => {
  const server = await ApiServer.start();
  await server.limit('x', 1);
  const python = { headers: { 'user-agent': 'prefect/3.8.8 (API 0.8.4)' } };
  const task = randomUUID();
  await server.connect().post(TAKE, { names: ['tag:x'], slots: 1 }, python);
  void server.connect().post('/concurrency_limits/increment', { names: ['x'], task_run_id: task }, python);
  await server.until(() => server.held === 1);
  const { engine } = server.replica;
  const sender = { label: 'prefect/3.8.8', host: '127.0.0.1', pid: null };
  expect(engine.holders('tag:x').map(({ holder }) => holder)).toEqual([{ type: null, id: null, ...sender }]);
  expect(engine.waiters('tag:x').map(({ holder }) => holder)).toEqual([{ type: 'task_run', id: task, ...sender }]);
});

it.each(['é/1', '/', 'x'.repeat(9_000)])('is its address alone, if its program calls itself %j', async (agent) => {
  const server = await ApiServer.start();
  await server.limit('x', 1);
  await server.connect().post(TAKE, { names: ['tag:x'], slots: 1 }, { headers: { 'user-agent': agent } });
  const holders = server.replica.engine.holders('tag:x');
  expect(holders.map(({ holder }) => [holder.label, holder.host])).toEqual([[null, '127.0.0.1']]);
});
