import { describe, expect, test } from 'vitest';
import type { AcquireOptions } from '../src/acquire-call.ts';
import { Keeper } from '../src/keeper.ts';
import { Lease } from '../src/lease.ts';
import { connected, holding, soFar, type World } from './world.ts';

/** Grants the acquire that was asked for last. */
async function grantLast({ clock, server }: World): Promise<string> {
  await clock.pass(0);
  const { leaseId: lease } = server.last.acquires.at(-1)!;
  server.last.grant(lease);
  await clock.pass(0);
  return lease;
}

describe('concurrency', () => {
  test('it holds while the body runs, and resolves to what the body returned once the release is on its way', async () => {
    const it = await connected();
    const inBody = Promise.withResolvers<string>();
    const done = it.keeper.concurrency('db', () => inBody.promise);
    const leaseId = await grantLast(it);
    expect(it.server.last.of('release')).toEqual([]);
    inBody.resolve('rows');
    await it.clock.pass(0);
    expect(await done).toBe('rows');
    expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId, token: 7 }]);
    // Nobody has acknowledged it: the process must not end as if there were nothing left to do.
    expect(it.isBusy()).toBe(true);
    it.server.last.answer();
    expect(it.isBusy()).toBe(false);
  });

  test('what is asked for next goes out after the release', async () => {
    const it = await connected();
    const both = it.keeper.concurrency('db', () => 'first').then(() => it.keeper.tryAcquire('db'));
    const leaseId = await grantLast(it);
    await it.clock.pass(0);
    const next = it.server.last.acquires.at(-1)!;
    expect(it.server.last.messages.slice(-2)).toEqual([
      { type: 'release', leaseId, token: 7 },
      { type: 'acquire', request: next },
    ]);
    it.server.last.grant(next.leaseId);
    expect(await both).toBeDefined();
  });

  test('where the connection is lost before the release has left, it resolves once the next one has given back', async () => {
    const it = await connected();
    const inBody = Promise.withResolvers<string>();
    const done = it.keeper.concurrency('db', () => inBody.promise);
    await grantLast(it);
    it.server.last.drop();
    inBody.resolve('rows');
    await it.clock.pass(5_000);
    expect(await soFar(done)).toBe('pending');
    expect(it.server.last.of('claim')).toEqual([]);
    it.server.last.welcome();
    expect(await done).toBe('rows');
  });

  test('where the connection is lost as the release is about to leave, it resolves once the next one has given back', async () => {
    const it = await connected();
    const lease = await holding(it);
    const disposed = lease[Symbol.asyncDispose]();
    it.server.last.drop();
    await it.clock.pass(5_000);
    expect(await soFar(disposed)).toBe('pending');
    it.server.last.welcome();
    await disposed;
  });

  test('it rejects with what the body throws, once the release is on its way', async () => {
    const it = await connected();
    const done = it.keeper.concurrency('db', () => {
      throw new RangeError('mine');
    });
    const outcome = done.catch((error: unknown) => error);
    const leaseId = await grantLast(it);
    expect(await outcome).toEqual(new RangeError('mine'));
    expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId, token: 7 }]);
  });

  test('a scope ends as the release is on its way; a release by hand resolves when it is durable', async () => {
    const it = await connected();
    const lease = await holding(it);
    const disposed = lease[Symbol.asyncDispose]();
    await it.clock.pass(0);
    await disposed;
    expect(it.server.last.of('release')).toHaveLength(1);
    const byHand = lease.release();
    expect(await soFar(byHand)).toBe('pending');
    it.server.last.answer();
    await byHand;
  });

  test('without limits the body runs and nothing is asked', async () => {
    const { keeper, server, clock } = await connected();
    const { frames } = server.last;
    expect(await keeper.concurrency([], ({ limits, signal }) => [limits, signal.aborted])).toEqual([[], false]);
    await using lease = await keeper.acquire({});
    expect(await lease.check()).toBe(true);
    await clock.pass(0);
    expect(server.last.frames).toBe(frames);
  });

  test('without a body it says what to call instead', async () => {
    const { keeper } = await connected();
    const untyped = keeper.concurrency as unknown as (limits: string) => Promise<void>;
    await expect(untyped.call(keeper, 'db')).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'body' },
      message: expect.stringContaining('acquire()'),
    });
  });
});

describe('a lease', () => {
  test('it tells what was granted', async () => {
    const it = await connected();
    const acquired = it.keeper.acquire(
      { db: 1, gpu: 2 },
      { label: 'nightly', holder: { type: 'task', id: '7' }, priority: 5 },
    );
    await it.clock.pass(1_500);
    const [request] = it.server.last.acquires;
    expect(request).toMatchObject({
      amounts: [
        ['db', 1],
        ['gpu', 2],
      ],
      priority: 5,
      holder: { type: 'task', id: '7', label: 'nightly', host: 'box', pid: 1 },
      onMissing: 'error',
    });
    it.server.last.grant(request!.leaseId, {
      token: 41,
      amounts: [
        ['db', 1],
        ['gpu', 2],
      ],
    });
    const lease = await acquired;
    expect(lease).toMatchObject({
      id: request!.leaseId,
      token: 41,
      limits: [
        { name: 'db', slots: 1 },
        { name: 'gpu', slots: 2 },
      ],
      acquiredAt: new Date(1_700_000_000_000),
      waitedSeconds: 1.5,
    });
  });

  test('its check asks the server', async () => {
    const it = await connected();
    const lease = await holding(it);
    const checked = lease.check();
    await it.clock.pass(0);
    const [call] = it.server.last.of('call');
    expect(call).toMatchObject({ method: 'check', params: { lease: lease.id, token: lease.token } });
    it.server.last.answer({ type: 'reply', id: call!.id, value: { valid: false } });
    expect(await checked).toBe(false);
  });

  test('what limits nothing is warned of', async () => {
    const it = await connected();
    const acquired = it.keeper.acquire(['db', 'gpu'], { onMissing: 'allow' });
    await it.clock.pass(0);
    const [request] = it.server.last.acquires;
    it.server.last.grant(request!.leaseId, {
      amounts: [['db', 1]],
      warnings: [{ code: 'LIMIT_MISSING', limit: 'gpu' }],
    });
    expect((await acquired).limits).toEqual([{ name: 'db', slots: 1 }]);
    await it.clock.pass(0);
    expect(it.warnings).toEqual([
      { code: 'LIMIT_MISSING', message: expect.stringContaining("no limit named 'gpu'"), details: { limit: 'gpu' } },
    ]);
  });
});

test('a warning that cannot be told costs no lease', async () => {
  const it = await connected();
  const warn = (): never => {
    throw new Error('nobody to tell');
  };
  const keeper = new Keeper(
    { session: it.session, ttlMs: 15_000, close: async () => {} },
    { clock: it.clock, defaults: { host: null, pid: null }, warn },
  );
  const acquired = keeper.acquire('db');
  await it.clock.pass(0);
  it.server.last.grant(it.server.last.acquires[0]!.leaseId, { warnings: [{ code: 'LIMIT_INACTIVE', limit: 'db' }] });
  await expect(it.clock.pass(0)).rejects.toThrow('nobody to tell');
  expect(await soFar(acquired)).toMatchObject({ value: { token: 7 } });
});

describe('an error that comes later has the stack of those who await its call', () => {
  const error = { code: 'CONFLICT', message: "Limit 'db' is draining.", details: {} } as const;

  test('of an acquire', async () => {
    const it = await connected();
    const theImport = async (): Promise<unknown> => await it.keeper.concurrency('db', () => 'not to be run');
    const refused = theImport().catch((error: unknown) => error);
    await it.clock.pass(0);
    it.server.last.answer({ type: 'refused', leaseId: it.server.last.acquires[0]!.leaseId, error });
    expect((await refused) as Error).toMatchObject({
      code: 'CONFLICT',
      stack: expect.stringMatching(/^ConflictError: Limit 'db' is draining\.\n.*theImport/s),
    });
  });

  test('of a call', async () => {
    const it = await connected();
    const theDashboard = async (): Promise<unknown> => await it.keeper.limits.drain('db');
    const failed = theDashboard().catch((error: unknown) => error);
    await it.clock.pass(0);
    it.server.last.answer({ type: 'failed', id: it.server.last.of('call')[0]!.id, error });
    expect(await failed).toMatchObject({ code: 'CONFLICT', stack: expect.stringContaining('theDashboard') });
  });

  test('also where one refusal ends them all', async () => {
    const it = await connected();
    const first = async (): Promise<unknown> => await it.keeper.acquire('db');
    const second = async (): Promise<unknown> => await it.keeper.acquire('db');
    const ends = Promise.all([first, second].map((call) => call().catch(({ stack }: Error) => stack)));
    await it.clock.pass(0);
    it.server.last.answer({ type: 'goodbye', retry: false, error });
    expect(await ends).toEqual([expect.stringContaining('at first'), expect.stringContaining('at second')]);
  });
});

test('a keeper that waits for something or holds something keeps the process alive, and no other', async () => {
  const it = await connected();
  expect(it.isBusy()).toBe(false);
  const acquired = it.keeper.acquire('db');
  await it.clock.pass(0);
  expect(it.isBusy()).toBe(true);
  await grantLast(it);
  const lease = await acquired;
  expect(it.isBusy()).toBe(true);
  const released = lease.release();
  await it.clock.pass(0);
  expect(it.isBusy()).toBe(true);
  it.server.last.answer();
  await released;
  expect(it.isBusy()).toBe(false);
});

test('lists are read page by page', async () => {
  const it = await connected();
  const names = (async () => {
    const all: string[] = [];
    for await (const { name } of it.keeper.limits.list({ prefix: 'd' })) all.push(name);
    return all;
  })();
  await it.clock.pass(0);
  const first = it.server.last.of('call')[0]!;
  expect(first).toMatchObject({ method: 'limits.list', params: { prefix: 'd', after: null } });
  it.server.last.answer({
    type: 'reply',
    id: first.id,
    value: { items: [{ name: 'da' }, { name: 'db' }], next: 'db' },
  });
  await it.clock.pass(0);
  const second = it.server.last.of('call')[1]!;
  expect(second).toMatchObject({ params: { after: 'db' } });
  it.server.last.answer({ type: 'reply', id: second.id, value: { items: [{ name: 'dc' }], next: null } });
  expect(await names).toEqual(['da', 'db', 'dc']);
});

describe('close', () => {
  /** The turn of a grant, in steps: what a call does with it takes some of them. */
  const STEPS = [0, 1, 2, 3, 4, 5, 6, 8, 12, 20];

  async function granted(): Promise<{
    it: World;
    call: (ask: (keeper: Keeper) => Promise<unknown>) => Promise<string>;
  }> {
    const it = await connected();
    const call = async (ask: (keeper: Keeper) => Promise<unknown>): Promise<string> => {
      const asked = ask(it.keeper);
      asked.catch(() => {});
      await it.clock.pass(0);
      const { leaseId } = it.server.last.acquires.at(-1)!;
      it.server.last.grant(leaseId);
      return leaseId;
    };
    return { it, call };
  }

  test.each(STEPS)('%i steps after a grant arrived: no body begins any more, and the slots go back', async (steps) => {
    const { it, call } = await granted();
    let isClosed = false;
    let beganAfter = false;
    let asked: Promise<unknown> = Promise.resolve();
    const leaseId = await call((keeper) => {
      asked = keeper.concurrency('db', ({ signal }) => {
        beganAfter = isClosed;
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve('stopped')));
      });
      return asked;
    });
    for (let step = 0; step < steps; step += 1) await undefined;
    const closed = it.keeper.close();
    isClosed = true;
    await it.clock.pass(0);
    expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId, token: 7 }]);
    it.server.last.answer();
    it.server.last.drop();
    await closed;
    expect(beganAfter).toBe(false);
    const outcome = await asked.catch((error: unknown) => (error as { code: unknown }).code);
    expect(['CONFLICT', 'stopped']).toContain(outcome);
    if (steps === 0) expect(outcome).toBe('CONFLICT');
  });

  test.each(STEPS)('%i steps after a grant arrived: its caller is told, and the slots go back', async (steps) => {
    for (const ask of [
      (keeper: Keeper) => keeper.acquire('db'),
      (keeper: Keeper) => keeper.tryAcquire('db'),
      (keeper: Keeper) => keeper.rateLimit('db'),
    ]) {
      const { it, call } = await granted();
      let asked: Promise<unknown> = Promise.resolve();
      const leaseId = await call((keeper) => {
        asked = ask(keeper);
        return asked;
      });
      for (let step = 0; step < steps; step += 1) await undefined;
      const closed = it.keeper.close();
      await it.clock.pass(0);
      expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId, token: 7 }]);
      it.server.last.answer();
      it.server.last.drop();
      await closed;
      const outcome = await asked.catch((error: unknown) => error);
      // It was told before it was closed, or it is refused; or it has a lease that says that it is no longer its own.
      if (steps === 0) expect(outcome).toMatchObject({ code: 'CONFLICT', details: { status: 'closed' } });
      else if (outcome instanceof Lease) expect(outcome.signal.reason).toMatchObject({ details: { reason: 'closed' } });
    }
  });

  test('it refuses new calls, aborts the signals, awaits the bodies, gives back and says goodbye', async () => {
    const it = await connected();
    const lease = await holding(it);
    const inBody = Promise.withResolvers<string>();
    const done = it.keeper.concurrency('db', ({ signal }) => {
      signal.addEventListener('abort', () => inBody.resolve(signal.reason.details.reason));
      return inBody.promise;
    });
    await grantLast(it);
    const waits = it.keeper.acquire('gpu').catch((error: unknown) => error);
    await it.clock.pass(0);

    const closed = it.keeper.close();
    expect(it.keeper.status).toBe('closed');
    expect(await waits).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('closed') });
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST', details: { reason: 'closed' } });
    await expect(it.keeper.acquire('db')).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(it.keeper.limits.get('db')).rejects.toMatchObject({ code: 'CONFLICT' });
    await it.clock.pass(0);
    it.server.last.answer();
    expect(await done).toBe('closed');
    await it.clock.pass(0);
    it.server.last.answer();
    await it.clock.pass(0);
    expect(it.server.last.of('cancel')).toHaveLength(1);
    expect(it.server.last.of('release')).toHaveLength(2);
    expect(it.server.last.messages.at(-1)).toEqual({ type: 'bye' });
    expect(await soFar(closed)).toBe('pending');
    it.server.last.answer();
    it.server.last.drop('goodbye');
    expect(await soFar(closed)).toEqual({ value: undefined });
    expect(it.isBusy()).toBe(false);
  });

  test('it does not wait for the body that calls it', async () => {
    const it = await connected();
    const done = it.keeper.concurrency('db', async () => {
      await it.keeper.close();
      return 'closed';
    });
    await grantLast(it);
    it.server.last.answer();
    await it.clock.pass(0);
    it.server.last.drop('goodbye');
    expect(await done).toBe('closed');
  });

  test('it waits for a body that does not heed its signal for the time to live at the most', async () => {
    const it = await connected();
    void it.keeper.concurrency('db', () => new Promise(() => {}));
    const lease = await grantLast(it);
    const closed = it.keeper.close();
    const answer = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds; i += 1) {
        await it.clock.pass(1_000);
        it.server.last.answer();
      }
    };
    await answer(14);
    expect(it.server.last.of('release')).toEqual([]);
    await answer(2);
    expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId: lease, token: 7 }]);
    it.server.last.drop('goodbye');
    expect(await soFar(closed)).toEqual({ value: undefined });
  });

  test('where the server is away it takes as long as what it holds, and no time if it holds nothing', async () => {
    const idle = await connected();
    idle.server.isThere = false;
    idle.server.last.drop();
    await idle.clock.pass(1_000);
    expect(await soFar(idle.keeper.close())).toEqual({ value: undefined });

    const it = await connected();
    await holding(it);
    it.server.isThere = false;
    it.server.last.drop();
    const closed = it.keeper.close();
    await it.clock.pass(14_249);
    expect(await soFar(closed)).toBe('pending');
    await it.clock.pass(1);
    expect(await soFar(closed)).toEqual({ value: undefined });
    expect(it.isBusy()).toBe(false);
  });

  test('after the session has ended by itself there is nothing left that could fail later', async () => {
    const it = await connected();
    const error = { code: 'AUTH', message: 'Wrong key.', details: {} } as const;
    it.server.last.answer({ type: 'goodbye', retry: false, error });
    await it.keeper.close();
    await it.clock.pass(60_000);
    expect(it.statuses).toEqual(['connected', 'closed']);
  });

  test('twice is once', async () => {
    const { keeper } = await connected();
    expect(keeper.close()).toBe(keeper.close());
  });
});

describe('what is not allowed is refused by its field before anything is sent', () => {
  const cases: readonly [field: string, limits: unknown, options: unknown][] = [
    ['limits', 5, {}],
    ['limits', null, {}],
    ['limits', new Set(['db']), {}],
    ['limits', new Map([['db', 1]]), {}],
    ["limits: a limit's name", '', {}],
    ["limits: a limit's name", 'x'.repeat(256), {}],
    ["limits: a limit's name", ['a/b'], {}],
    ["limits: a limit's name", [7], {}],
    ['limits', ['db', 'db'], {}],
    ['limits', Array.from({ length: 65 }, (_, i) => `l${i}`), {}],
    ...[0, -1, 1.5, 2 ** 53, Number.NaN, '1'].map((slots): [string, unknown, unknown] => [
      "limits: slots of 'db'",
      { db: slots },
      {},
    ]),
    ['slots', 'db', { slots: 0 }],
    ['options', 'db', null],
    ['options', 'db', 5],
    ['options', 'db', []],
    ['slots', { db: 1 }, { slots: 2 }],
    ['timeoutSeconds', 'db', { timeoutSeconds: -1 }],
    ['timeoutSeconds', 'db', { timeoutSeconds: Number.NaN }],
    ['timeoutSeconds', 'db', { timeoutSeconds: '5' }],
    ['priority', 'db', { priority: 86_401 }],
    ['label', 'db', { label: 'x'.repeat(256) }],
    ['holder.type', 'db', { holder: { type: 5 } }],
    ['holder.host', 'db', { holder: { host: 'box' } }],
    ['onMissing', 'db', { onMissing: 'create' }],
    ['onMissing.slots', 'db', { onMissing: {} }],
    ['onLost', 'db', { onLost: 'ignore' }],
    ['signal', 'db', { signal: 'stop' }],
    ['timeout', 'db', { timeout: 5 }],
    ...['slots', 'timeoutSeconds', 'signal', 'label', 'holder', 'priority', 'onMissing', 'onLost'].map(
      (name): [string, unknown, unknown] => [name, 'db', { [name]: null }],
    ),
    ['holder.type', 'db', { holder: { type: null } }],
  ];
  test.each(cases)('%s of %j with %j', async (field, limits, options) => {
    const { keeper, server, clock } = await connected();
    const error = await keeper.acquire(limits as string, options as AcquireOptions).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
    await clock.pass(0);
    expect(server.last.acquires).toEqual([]);
  });

  const calls: readonly [field: string, call: (keeper: Keeper) => Promise<unknown>][] = [
    ['name', ({ limits }) => limits.ensure('', { slots: 1 })],
    ['spec.slots', ({ limits }) => limits.ensure('db', { slots: -1 })],
    ['spec.slots', ({ limits }) => limits.ensure('db', {} as { slots: number })],
    ['spec.rate', ({ limits }) => limits.set('db', { rate: '1/week' } as object)],
    ['name', ({ limits }) => limits.get('a%b')],
    ['name', (keeper) => keeper.holders('a/b')],
    ['timeoutSeconds', (keeper) => keeper.tryAcquire('db', { timeoutSeconds: 5 } as object)],
    ...[null, 5, 'x'].map((options): [string, (keeper: Keeper) => Promise<unknown>] => [
      'options',
      (keeper) => keeper.tryAcquire('db', options as unknown as object),
    ]),
    ['options', (keeper) => keeper.concurrency('db', null as unknown as object, () => 'not to be run')],
    ['force', ({ limits }) => limits.delete('db', { force: null as unknown as boolean })],
    ['prefix', ({ limits }) => limits.list({ prefix: null as unknown as string }).next()],
  ];
  test.each(calls)('%s in %s', async (field, call) => {
    const { keeper, server, clock } = await connected();
    await expect(call(keeper)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
    await clock.pass(0);
    expect(server.last.of('call')).toEqual([]);
  });
});
