import { setImmediate } from 'node:timers/promises';
import { connect } from 'slotkeeper';
import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { VirtualFleet } from '../virtual-fleet.ts';

async function fleetWith(rate: { slots: number; slotDecayPerSecond: number }): Promise<VirtualFleet> {
  const fleet = new VirtualFleet(new Random(8));
  await fleet.startServer();
  fleet.replica.submit({ type: 'limit.set', name: 'emails', id: 'emails', patch: rate });
  return fleet;
}

describe('case 8: a rate is exact, whatever the pattern of calls', () => {
  it('limit 10, 1 a second: fifty clients get 610 in ten minutes, and in no window more than the limit and what came back', async () => {
    const fleet = await fleetWith({ slots: 10, slotDecayPerSecond: 1 });
    const clients = await Promise.all(Array.from({ length: 50 }, () => fleet.connect()));
    const startMs = fleet.time.monotonicMs();
    const grantedMs: number[] = [];
    const isOver = (): boolean => fleet.time.monotonicMs() - startMs > 600_000;
    for (const { keeper } of clients) {
      void (async () => {
        while (!isOver()) {
          await keeper.rateLimit('emails');
          if (!isOver()) grantedMs.push(fleet.time.monotonicMs() - startMs);
        }
      })();
    }
    await fleet.until(isOver);

    expect(grantedMs.length).toBeGreaterThanOrEqual(604);
    expect(grantedMs.length).toBeLessThanOrEqual(616);
    // Clients hear of a grant a little after it was decided.
    const tellingMs = 100;
    for (const [i, fromMs] of grantedMs.entries())
      for (const [j, toMs] of grantedMs.slice(i).entries())
        expect(j + 1).toBeLessThanOrEqual(10 + (toMs - fromMs + tellingMs) / 1_000 + 1e-6);
  });

  it('a try that is refused gains and loses nothing: each half second one, for thirty seconds', async () => {
    const fleet = await fleetWith({ slots: 10, slotDecayPerSecond: 1 });
    const { keeper } = await fleet.connect();
    let taken = 0;
    for (let i = 0; i < 60; i += 1) {
      // Two at once, so that the burst is over at once, too.
      for (const asked of [
        keeper.rateLimit('emails', { timeoutSeconds: 0 }),
        keeper.rateLimit('emails', { timeoutSeconds: 0 }),
      ])
        asked.then(
          () => {
            taken += 1;
          },
          () => {},
        );
      await fleet.time.pass(500);
    }
    expect(taken).toBeGreaterThanOrEqual(39);
    expect(taken).toBeLessThanOrEqual(40);
  });

  it('what was taken is not forgotten by a restart, and what has come back meanwhile counts', async () => {
    const fleet = await fleetWith({ slots: 4, slotDecayPerSecond: 0.1 });
    const { keeper } = await fleet.connect();
    for (const asked of [1, 2, 3, 4].map(() => keeper.rateLimit('emails'))) await fleet.until(await settled(asked));
    fleet.killServer();
    await fleet.time.pass(10_000);
    await fleet.startServer();
    await fleet.time.pass(5_000);

    const { engine, nowMs } = fleet.replica;
    expect(engine.limitView('emails', nowMs)).toMatchObject({ taken: 3, free: 1 });
  });
});

/** A look at whether it has come. */
async function settled(promise: Promise<unknown>): Promise<() => boolean> {
  let isSettled = false;
  void promise.finally(() => {
    isSettled = true;
  });
  await setImmediate();
  return () => isSettled;
}

describe('a rate in this process', () => {
  it('is told as people write it, and as slots a second', async () => {
    await using keeper = await connect('embedded:');
    expect(await keeper.limits.ensure('llm', { slots: 100, rate: '100/minute' })).toMatchObject({
      rate: '100/minute',
      slotDecayPerSecond: 100 / 60,
      taken: 0,
      free: 100,
    });
    expect(await keeper.limits.set('llm', { slotDecayPerSecond: 2.5 })).toMatchObject({ rate: '150/minute' });
    expect(await keeper.limits.set('llm', { slotDecayPerSecond: null })).toMatchObject({ rate: null });
    expect(await keeper.limits.get('llm')).not.toHaveProperty('kind');
  });

  it('is taken together with slots that are held; only these come back with the lease', async () => {
    await using keeper = await connect('embedded:');
    await keeper.limits.ensure('db', { slots: 1 });
    await keeper.limits.ensure('hourly', { slots: 5, rate: '1/day' });
    await keeper.concurrency({ db: 1, hourly: 2 }, ({ limits }) => {
      expect(limits).toEqual([
        { name: 'db', slots: 1 },
        { name: 'hourly', slots: 2 },
      ]);
    });
    expect(await keeper.limits.get('db')).toMatchObject({ taken: 0 });
    expect(await keeper.limits.get('hourly')).toMatchObject({ taken: 2, holders: 0 });
  });

  it('rateLimit tells what it took, and leaves no holder', async () => {
    await using keeper = await connect('embedded:');
    await keeper.limits.ensure('emails', { slots: 3, rate: '1/h' });
    expect(await keeper.rateLimit('emails', { slots: 2 })).toEqual({
      limits: [{ name: 'emails', slots: 2 }],
      waitedSeconds: expect.any(Number),
    });
    await expect(keeper.rateLimit('emails', { slots: 2, timeoutSeconds: 0 })).rejects.toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      message: expect.stringContaining("wants 2 of 'emails', of which 1 of 3 are free"),
    });
    expect(await keeper.holders()).toEqual([]);
  });

  it('rateLimit refuses a limit whose slots would never come back, and names it', async () => {
    await using keeper = await connect('embedded:');
    await keeper.limits.ensure('db', { slots: 3 });
    await expect(keeper.rateLimit('db')).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining("'db' is no rate"),
    });
    expect(await keeper.limits.get('db')).toMatchObject({ taken: 0 });
  });

  it.each([
    [{ slots: 1, rate: 'fast' }, 'spec.rate'],
    [{ slots: 1, rate: '0/minute' }, 'spec.rate'],
    [{ slots: 1, rate: '1/second', slotDecayPerSecond: 1 }, 'spec.rate'],
    [{ slots: 1, slotDecayPerSecond: 0 }, 'spec.slotDecayPerSecond'],
    [{ slots: 1, slotDecayPerSecond: 1e308 }, 'spec.slotDecayPerSecond'],
  ])('%j is refused by its field', async (spec, field) => {
    await using keeper = await connect('embedded:');
    await expect(keeper.limits.ensure('x', spec)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: expect.objectContaining({ field }),
    });
    await expect(keeper.limits.get('x')).rejects.toMatchObject({ code: 'LIMIT_NOT_FOUND' });
  });

  it('a wait that is given up at the moment of its grant takes nothing', async () => {
    await using keeper = await connect('embedded:');
    await keeper.limits.ensure('emails', { slots: 1, rate: '1/day' });
    const giveUp = new AbortController();
    const asked = keeper.rateLimit('emails', { signal: giveUp.signal });
    giveUp.abort(new Error('no'));
    await expect(asked).rejects.toThrow('no');
    await keeper.rateLimit('emails', { timeoutSeconds: 0 });
  });
});
