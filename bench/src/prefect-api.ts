import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Callers, Contender } from './contender.ts';
import { httpCallers, type Pair } from './http-callers.ts';

/** Room to spare, so that a slot that a server has lost holds nobody up. */
const SLOTS = 1000;
const BUSY_TRIES_MAX = 100;
const BUSY_PAUSE_MS = 50;

/** Callers of a server that speaks Prefect's API: of v1 without a lease, of v2 with one. */
export async function prefectCallers(
  api: NonNullable<Contender['prefectApi']>,
  url: string,
  count: number,
): Promise<Callers> {
  const names = Array.from({ length: count }, (_, i) => `bench-${i}`);
  for (const name of names) {
    if (api === 'v1') await create(url, '/concurrency_limits/', { tag: name, concurrency_limit: SLOTS });
    else await create(url, '/v2/concurrency_limits/', { name, limit: SLOTS });
  }
  return httpCallers(url, names.map(api === 'v1' ? tagPair : leasePair));
}

function tagPair(tag: string): Pair {
  const names = [tag];
  let run = '';
  return {
    acquire() {
      run = randomUUID();
      return { path: '/concurrency_limits/increment', body: { names, task_run_id: run } };
    },
    release: () => ({
      path: '/concurrency_limits/decrement',
      body: { names, task_run_id: run, occupancy_seconds: 0.001 },
    }),
  };
}

function leasePair(name: string): Pair {
  const body = { names: [name], slots: 1, mode: 'concurrency', lease_duration: 300 };
  return {
    acquire: () => ({ path: '/v2/concurrency_limits/increment-with-lease', body }),
    release: (answer) => ({
      path: '/v2/concurrency_limits/decrement-with-lease',
      body: { lease_id: (answer as { lease_id: string }).lease_id },
    }),
  };
}

/** Makes what may be there already. A stock server over SQLite answers 503 whenever two of its parts write at once. */
export async function create(url: string, path: string, body: unknown): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  for (let tries = 1; ; tries++) {
    const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    const said = await answer.text();
    if (answer.ok || answer.status === 409) return;
    if (answer.status !== 503 || tries === BUSY_TRIES_MAX)
      throw new Error(`POST ${path} was answered with ${answer.status}: ${said}`);
    await delay(BUSY_PAUSE_MS);
  }
}
