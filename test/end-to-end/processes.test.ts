/** Real processes over real sockets: holders that die, stop, and wake again. */
import { connect } from 'slotkeeper';
import { describe, expect, it } from 'vitest';
import { ServerProcess } from '../server-process.ts';
import { HolderProcess } from './holder-process.ts';

const HOUR_MS = 3_600_000;

async function serverWith(slots: number): Promise<ServerProcess> {
  const server = await ServerProcess.start();
  const keeper = await connect(server.url);
  await keeper.limits.ensure('db', { slots });
  await keeper.close();
  return server;
}

describe('case 1: a holder is killed with -9', () => {
  it('its slot is granted on to whoever waits, with a greater token', async () => {
    await using server = await serverWith(1);
    await using a = await HolderProcess.start(server.url, 'db');
    await using b = await HolderProcess.start(server.url, 'db');
    const { token } = await a.ask('hold', 'held');
    b.tell('hold');
    a.signal('SIGKILL');
    expect((await b.report('held')).token).toBeGreaterThan(token);
    await using keeper = await connect(server.url);
    expect(await keeper.limits.get('db')).toMatchObject({ taken: 1, holders: 1, waiters: 0 });
  });
});

describe('case 2: no slot idles, nobody polls', () => {
  it('limit 2 with one long holder: twenty jobs from twenty processes run one after the other, beside it', async () => {
    await using server = await serverWith(2);
    await using long = await HolderProcess.start(server.url, 'db');
    await long.ask('hold', 'held');
    const workers = await Promise.all(Array.from({ length: 20 }, () => HolderProcess.start(server.url, 'db')));
    try {
      for (const worker of workers) worker.tell('job');
      const jobs = await Promise.all(workers.map((worker) => worker.report('job')));
      jobs.sort((a, b) => a.startedMs - b.startedMs);
      for (const [i, job] of jobs.entries()) {
        const before = jobs[i - 1];
        if (before) expect(job.startedMs).toBeGreaterThanOrEqual(before.endedMs - 1);
      }
      expect(await long.ask('state', 'state')).toMatchObject({ aborted: false, valid: true });
    } finally {
      await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
    }
  });
});

describe('a release that is on its way', () => {
  it('is not lost by a program that ends right after', async () => {
    await using server = await serverWith(1);
    await using a = await HolderProcess.start(server.url, 'db');
    a.tell('last');
    await a.ended();
    await using keeper = await connect(server.url);
    await keeper.acquire('db');
    const answer = await fetch(`${server.url}/api/events/filter`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ filter: { event: { name: ['prefect.concurrency-limit.released'] } } }),
    });
    const { events } = (await answer.json()) as { events: readonly { readonly payload: object }[] };
    // Not expired, as what a killed holder has.
    expect(events).toEqual([expect.objectContaining({ payload: expect.objectContaining({ cause: 'returned' }) })]);
  });

  it('comes before all that the same keeper asks for next', async () => {
    await using server = await serverWith(1);
    await using keeper = await connect(server.url);
    for (let i = 0; i < 200; i += 1) {
      await keeper.concurrency('db', () => {});
      await using lease = await keeper.tryAcquire('db');
      expect(lease).toBeDefined();
    }
  });
});

describe('case 13: a stale holder cannot act', () => {
  for (const [aHours, bHours] of [
    [1, -1],
    [-1, 1],
  ] as const) {
    it(`stopped beyond its time to live and woken again, clocks off by ${aHours} h and ${bHours} h`, async () => {
      await using server = await serverWith(1);
      await using a = await HolderProcess.start(server.url, 'db', aHours * HOUR_MS);
      await using b = await HolderProcess.start(server.url, 'db', bHours * HOUR_MS);
      const { token } = await a.ask('hold', 'held');
      b.tell('hold');
      a.signal('SIGSTOP');
      const later = await b.report('held');
      expect(later.token).toBeGreaterThan(token);
      a.signal('SIGCONT');
      expect(await a.ask('state', 'state')).toEqual({ type: 'state', aborted: true, code: 'LEASE_LOST', valid: false });
      expect(await b.ask('state', 'state')).toMatchObject({ aborted: false, valid: true });
      await a.ask('release', 'released');
      expect(await b.ask('state', 'state')).toMatchObject({ aborted: false, valid: true });
    });
  }
});
