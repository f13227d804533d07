import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { VirtualFleet } from '../virtual-fleet.ts';

const TTL_MS = 15_000;

async function fleetWith(slots: number): Promise<VirtualFleet> {
  const fleet = new VirtualFleet(new Random(3));
  await fleet.startServer();
  fleet.replica.submit({ type: 'limit.set', name: 'db', id: 'db', patch: { slots } });
  return fleet;
}

describe('case 3: a live holder keeps its lease', () => {
  it('the server is away for twice the time to live, with 20 holders that chose to continue: none is lost, never above the limit', async () => {
    const fleet = await fleetWith(20);
    const { keeper } = await fleet.connect(TTL_MS);
    const { keeper: other } = await fleet.connect(TTL_MS);
    const holding = Array.from({ length: 20 }, () => keeper.acquire('db', { onLost: 'continue' }));
    await fleet.until(() => fleet.replica.engine.limitView('db')?.taken === 20);
    const leases = await Promise.all(holding);
    const waiting = other.acquire('db');
    await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === 1);

    fleet.killServer();
    await fleet.time.pass(2 * TTL_MS);
    await fleet.startServer();
    await fleet.time.pass(2 * TTL_MS);

    expect(leases.map(({ signal }) => signal.aborted)).toEqual(leases.map(() => false));
    expect([...fleet.replica.engine.holders('db')].map(({ leaseId }) => leaseId).sort()).toEqual(
      leases.map(({ id }) => id).sort(),
    );
    expect(fleet.replica.engine.limitView('db')).toMatchObject({ taken: 20, waiters: 1 });

    const released = leases[0]?.release();
    await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === 0);
    await released;
    expect((await waiting).token).toBeGreaterThan(Math.max(...leases.map(({ token }) => token)));
  });

  it('the same with holders that chose to abort: each is told before its slot can be another’s', async () => {
    const fleet = await fleetWith(2);
    const { keeper } = await fleet.connect(TTL_MS);
    const first = keeper.acquire('db');
    await fleet.until(() => fleet.replica.engine.limitView('db')?.taken === 1);
    const lease = await first;
    fleet.killServer();
    await fleet.time.pass(TTL_MS - 4_000);
    expect(lease.signal.aborted).toBe(false);
    await fleet.time.pass(4_000);
    expect(lease.signal.aborted).toBe(true);
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
  });

  it('a server that restarts at once costs nobody a lease or a place', async () => {
    const fleet = await fleetWith(1);
    const { keeper } = await fleet.connect(TTL_MS);
    const holding = keeper.acquire('db');
    await fleet.until(() => fleet.replica.engine.limitView('db')?.taken === 1);
    const lease = await holding;
    const order: number[] = [];
    const waiting: Promise<void>[] = [];
    for (const number of [1, 2, 3]) {
      const { keeper: waiter } = await fleet.connect(TTL_MS);
      waiting.push(
        waiter.acquire('db').then((granted) => {
          order.push(number);
          return granted.release();
        }),
      );
      await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === number);
    }
    fleet.killServer();
    await fleet.startServer();
    await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === 3);
    expect(lease.signal.aborted).toBe(false);
    void lease.release();
    await fleet.until(() => order.length === 3);
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });
});
