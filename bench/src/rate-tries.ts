/** A limit of 10 with a decay of 1 a second, tried every half second, by a client that will not wait longer than that. */
import { setTimeout as delay } from 'node:timers/promises';
import { create } from './prefect-api.ts';
import type { Case } from './suite.ts';

const SLOTS = 10;
const DECAY_PER_SECOND = 1;
const EVERY_MS = 500;
/** Our server holds a request that does not fit, so a client that tries again has closed its connection before. */
const PATIENCE_MS = 400;
const NAME = 'rate-tries';

export const rateTries: Case = {
  name: NAME,
  title: ({ seconds }) => `Limit 10, decay 1 a second, tried every 0.5 s for ${seconds} s`,
  figures: ['grants'],
  ideal: ({ seconds }) => Math.min(SLOTS + seconds * DECAY_PER_SECOND, 1 + (seconds * 1000) / EVERY_MS),
  missing: () => undefined,
  asks: ({ prefectApi }) => prefectApi === 'v2',
  async run({ url }, { seconds }) {
    await remove(url);
    await create(url, '/v2/concurrency_limits/', {
      name: NAME,
      limit: SLOTS,
      slot_decay_per_second: DECAY_PER_SECOND,
    });
    const startMs = performance.now();
    const tries: Promise<boolean>[] = [];
    for (let atMs = 0; atMs <= seconds * 1000; atMs += EVERY_MS) {
      await delay(Math.max(0, startMs + atMs - performance.now()));
      tries.push(isGranted(url));
    }
    return [(await Promise.all(tries)).filter((granted) => granted).length];
  },
};

/** A limit that an earlier round has left full would not be one that begins empty. */
async function remove(url: string): Promise<void> {
  await fetch(`${url}/v2/concurrency_limits/${NAME}`, { method: 'DELETE' });
}

async function isGranted(url: string): Promise<boolean> {
  const body = JSON.stringify({ names: [NAME], slots: 1, mode: 'rate_limit' });
  const headers = { 'Content-Type': 'application/json' };
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(`${url}/v2/concurrency_limits/increment`, { method: 'POST', headers, body, signal });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return false;
    throw error;
  }
}
