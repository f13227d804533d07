/** What happens to slots here is told to the stock Prefect server behind us, which finds it among its own events. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { PrefectServer } from './prefect-server.ts';

const POLL_MS = 250;

interface Found {
  readonly total: number;
  readonly events: readonly {
    readonly id: string;
    readonly event: string;
    readonly resource: Readonly<Record<string, string>>;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly follows: string | null;
  }[];
}

describeWithPython('a Prefect server behind ours', () => {
  test('knows of each grant and its end, and of the limit', async () => {
    await using prefect = await PrefectServer.start();
    await using server = await ServerProcess.start('--upstream', prefect.url);
    const limit = await post<{ id: string }>(server, '/v2/concurrency_limits/', { name: 'db', limit: 2 });
    const take = { names: ['db'], slots: 2, mode: 'concurrency', lease_duration: 60 };
    const { lease_id } = await post<{ lease_id: string }>(server, '/v2/concurrency_limits/increment-with-lease', take);
    await post(server, '/v2/concurrency_limits/decrement-with-lease', { lease_id });
    const filter = { resource: { id: [`prefect.concurrency-limit.${limit.id}`] }, order: 'ASC' };
    let found: Found;
    do {
      await delay(POLL_MS);
      found = await prefect.post<Found>('/events/filter', { filter });
    } while (found.total < 3);
    const [created, acquired, released] = found.events;
    expect(found.events.map(({ event }) => event)).toEqual([
      'prefect.concurrency-limit.created',
      'prefect.concurrency-limit.acquired',
      'prefect.concurrency-limit.released',
    ]);
    expect(created?.payload).toMatchObject({ name: 'db', limit: 2, active: true });
    expect(acquired?.resource).toMatchObject({ 'prefect.resource.name': 'db', 'slots-acquired': '2', limit: '2' });
    expect(released).toMatchObject({ resource: acquired?.resource, follows: acquired?.id });
  }, 300_000);
});

async function post<T>(server: ServerProcess, path: string, body: unknown): Promise<T> {
  const answer = await fetch(`${server.url}/api${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.ok).toBe(true);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}
