/** What becomes of those who wait: cancelled, timed out, refused, in virtual time over the shipped client and server. */
import { SlotkeeperError } from 'slotkeeper';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Keeper } from '../../packages/client/src/keeper.ts';
import type { Lease } from '../../packages/client/src/lease.ts';
import { Random } from '../random.ts';
import { VirtualFleet } from '../virtual-fleet.ts';

let fleet: VirtualFleet;

beforeEach(async () => {
  fleet = new VirtualFleet(new Random());
  await fleet.startServer();
});

const set = (name: string, slots: number): void => {
  fleet.replica.submit({ type: 'limit.set', name, id: name, patch: { slots } });
};

/** What it resolves to, once time has passed. */
async function outcome<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  await fleet.until(() => isSettled);
  return await promise;
}

/** The error with which it is rejected, once time has passed. */
async function failure(promise: Promise<unknown>): Promise<SlotkeeperError> {
  try {
    return expect.fail(`it resolved to ${await outcome(promise)}`);
  } catch (error) {
    if (SlotkeeperError.is(error)) return error;
    throw error;
  }
}

async function acquired(keeper: Keeper, name: string, slots = 1): Promise<Lease> {
  return await outcome(keeper.acquire(name, { slots }));
}

describe('case 9: what limits nothing says so', () => {
  it('of existing and missing names the error names those that are missing, and nothing is held', async () => {
    set('exists', 1);
    const { keeper } = await fleet.connect();
    const error = await failure(keeper.acquire(['exists', 'missing', 'gone']));
    expect(error).toMatchObject({ code: 'LIMIT_NOT_FOUND', details: { names: ['missing', 'gone'] } });
    expect(error.message).toContain("'missing', 'gone'");
    expect(fleet.replica.engine.limitView('exists')?.taken).toBe(0);
  });

  it('five of three are refused at once, also as the limit is lowered under a waiter', async () => {
    set('db', 3);
    const { keeper } = await fleet.connect();
    expect(await failure(keeper.acquire({ db: 5 }))).toMatchObject({ code: 'REQUEST_TOO_LARGE' });
    await acquired(keeper, 'db', 3);
    const waiting = failure(keeper.acquire({ db: 3 }));
    await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === 1);
    set('db', 2);
    expect(await waiting).toMatchObject({ code: 'REQUEST_TOO_LARGE' });
  });
});

describe('case 16: waits can be cancelled, and timeouts are true', () => {
  it('10,000 aborts at random moments around the grant: nothing is held at the end', async () => {
    const random = new Random();
    console.log(`seed ${random.seed}: SEED=${random.seed} npx vitest run test/end-to-end/waiting.test.ts`);
    set('db', 3);
    fleet.network.latencyMs = [1, 5];
    const { keeper } = await fleet.connect();
    let granted = 0;
    let aborted = 0;
    const round = async (): Promise<void> => {
      const controller = new AbortController();
      fleet.time.setTimer(random.integer(0, 12), () => controller.abort(new Error('enough')));
      try {
        const lease = await keeper.acquire('db', { signal: controller.signal });
        granted += 1;
        await lease.release();
      } catch (error) {
        expect((error as Error).message).toBe('enough');
        aborted += 1;
      }
    };
    let rounds = 0;
    const caller = async (): Promise<void> => {
      for (; rounds < 10_000; rounds += 1) await round();
    };
    let working = true;
    const work = Promise.all(Array.from({ length: 10 }, caller)).then(() => {
      working = false;
    });
    await fleet.until(() => !working, work);
    await fleet.time.pass(1_000);
    expect(fleet.replica.engine.limitView('db')).toMatchObject({ taken: 0, waiters: 0 });
    expect(granted).toBeGreaterThan(500);
    expect(aborted).toBeGreaterThan(500);
  });

  it('a timeout of a second behind 50 waiters is over after a second, and says who holds it', async () => {
    set('db', 1);
    const { keeper } = await fleet.connect();
    const lease = await acquired(keeper, 'db');
    for (let i = 0; i < 50; i += 1) void keeper.acquire('db').catch(() => {});
    await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === 50);
    const startedMs = fleet.time.monotonicMs();
    const error = await failure(keeper.acquire('db', { timeoutSeconds: 1 }));
    expect(error).toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      name: 'TimeoutError',
      explanation: {
        ahead: 50,
        position: 51,
        lacking: [{ name: 'db', wanted: 1, free: 0, heldBy: [{ leaseId: lease.id, slots: 1 }] }],
      },
    });
    expect(fleet.time.monotonicMs() - startedMs).toBe(1_000);
  });

  it('timeoutSeconds 0 never queues', async () => {
    set('db', 1);
    const { keeper } = await fleet.connect();
    await acquired(keeper, 'db');
    expect(await failure(keeper.acquire('db', { timeoutSeconds: 0 }))).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    expect(await outcome(keeper.tryAcquire('db'))).toBeUndefined();
    expect(fleet.replica.engine.limitView('db')?.waiters).toBe(0);
  });
});

describe('case 17: a limit is changed while it is in use', () => {
  it('2 → 5 with ten waiting: three are granted at once; 5 → 2: none until one is left', async () => {
    set('db', 2);
    const { keeper } = await fleet.connect();
    const held = [await acquired(keeper, 'db'), await acquired(keeper, 'db')];
    for (let i = 0; i < 10; i += 1) void keeper.acquire('db').then((lease) => held.push(lease));
    await fleet.until(() => fleet.replica.engine.limitView('db')?.waiters === 10);
    set('db', 5);
    await fleet.time.pass(0);
    expect(held).toHaveLength(5);
    set('db', 2);
    for (const lease of held.slice(0, 3)) {
      void lease.release();
      await fleet.time.pass(10);
      expect(held).toHaveLength(5);
    }
    void held[3]?.release();
    await fleet.time.pass(10);
    expect(held).toHaveLength(6);
  });

  it('released while it is off, then on: nothing has leaked', async () => {
    set('db', 1);
    const { keeper } = await fleet.connect();
    const before = await acquired(keeper, 'db');
    fleet.replica.submit({ type: 'limit.set', name: 'db', id: '', patch: { active: false } });
    const during = await acquired(keeper, 'db');
    await outcome(before.release());
    expect(fleet.replica.engine.limitView('db')?.taken).toBe(1);
    fleet.replica.submit({ type: 'limit.set', name: 'db', id: '', patch: { active: true } });
    expect(await outcome(keeper.tryAcquire('db'))).toBeUndefined();
    await outcome(during.release());
    expect(fleet.replica.engine.limitView('db')?.taken).toBe(0);
  });

  it('deleted with holders: refused, unless forced, then the holders are told', async () => {
    set('db', 1);
    const { keeper } = await fleet.connect();
    const lease = await acquired(keeper, 'db');
    expect(await failure(keeper.limits.delete('db'))).toMatchObject({ code: 'CONFLICT', details: { holders: 1 } });
    expect(lease.signal.aborted).toBe(false);
    await outcome(keeper.limits.delete('db', { force: true }));
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_REVOKED' });
    expect(await failure(keeper.acquire('db'))).toMatchObject({ code: 'LIMIT_NOT_FOUND' });
  });
});
