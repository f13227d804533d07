import { VERSIONS, type WireError } from '@slotkeeper/protocol';
import { describe, expect, test } from 'vitest';
import { granted } from './scripted-server.ts';
import { connected, holding, soFar, world } from './world.ts';

const TTL_MS = 15_000;
/** The send time of the last acknowledged frame + TTL − a twentieth of it. */
const TRUST_MS = 14_250;

const conflict: WireError = {
  code: 'CONFLICT',
  message: 'Another connection has taken this session over.',
  details: {},
};
const leaving: WireError = { code: 'SERVER_UNREACHABLE', message: 'The server is closing.', details: {} };

describe('connecting', () => {
  test('a new session says hello and is ready; it is connected at the welcome', async () => {
    const { session, server, statuses } = world();
    const started = session.start();
    expect(session.status).toBe('reconnecting');
    expect(server.last.messages).toEqual([
      expect.objectContaining({ type: 'hello', versionMin: VERSIONS.min, connection: 1, ttlMs: TTL_MS, apiKey: null }),
      { type: 'ready' },
    ]);
    server.last.welcome();
    await started;
    expect(session.status).toBe('connected');
    expect(statuses).toEqual(['connected']);
  });

  test('where nobody answers, the error names the address and says what to start', async () => {
    const { session, server, clock, isBusy } = world();
    server.isThere = false;
    const started = session.start().catch((error: unknown) => error);
    expect(isBusy()).toBe(true);
    await clock.pass(10_000);
    const error = await started;
    expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', name: 'ServerUnreachableError' });
    expect((error as Error).message).toContain('http://127.0.0.1:4230 cannot be reached: nobody is there');
    expect((error as Error).message).toContain('npx @slotkeeper/server serve');
    expect(isBusy()).toBe(false);
  });

  test('a wrong key is not tried again', async () => {
    const { session, server, clock } = world();
    const started = session.start().catch((error: unknown) => error);
    server.last.answer({ type: 'goodbye', retry: false, error: { code: 'AUTH', message: 'Wrong key.', details: {} } });
    expect(await started).toMatchObject({
      code: 'AUTH',
      details: { address: 'http://127.0.0.1:4230' },
      message: expect.stringMatching(/127\.0\.0\.1:4230 .* asks for an API key.*SLOTKEEPER_API_KEY/),
    });
    await clock.pass(60_000);
    expect(server.connections).toHaveLength(1);
  });

  test('a server that does not speak the protocol is told apart from one that is away', async () => {
    const { session, server } = world();
    const started = session.start().catch((error: unknown) => error);
    server.last.garble('[1,["?"]]');
    expect(await started).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(session.status).toBe('closed');
  });

  test('a second welcome is a breach of the protocol', async () => {
    const { session, server } = await connected();
    server.last.welcome();
    expect(session.status).toBe('closed');
    await expect(session.call('limits.get', { name: 'db' })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('does not speak this protocol: welcome must come once'),
    });
  });
});

describe('frames', () => {
  test('what one turn asks for goes out in one frame', async () => {
    const { keeper, server, clock } = await connected();
    const frames = server.last.frames;
    for (let i = 0; i < 100; i += 1) void keeper.acquire(`limit-${i}`);
    await clock.pass(0);
    expect(server.last.frames).toBe(frames + 1);
    expect(server.last.acquires).toHaveLength(100);
  });

  test('a connection begins with the hello alone', async () => {
    const { server } = await connected();
    expect(server.last.first.map(({ type }) => type)).toEqual(['hello']);
  });

  test('a heartbeat goes out when no frame has for a quarter of the time to live', async () => {
    const { server, clock } = await connected();
    expect(server.last.frames).toBe(2);
    await clock.pass(TTL_MS / 4 - 1);
    expect(server.last.frames).toBe(2);
    await clock.pass(1);
    expect(server.last.frames).toBe(3);
    server.last.answer();
    await clock.pass(TTL_MS / 4);
    expect(server.last.frames).toBe(4);
  });

  test('the first heartbeat after a welcome is no later than the others', async () => {
    const { clock, server } = await connected(2_000);
    await clock.pass(499);
    expect(server.last.frames).toBe(2);
    await clock.pass(1);
    expect(server.last.frames).toBe(3);
  });

  test('a frame that asks for something is a heartbeat, too', async () => {
    const { keeper, server, clock } = await connected();
    await clock.pass(3_000);
    void keeper.acquire('db');
    await clock.pass(3_000);
    expect(server.last.frames).toBe(3);
  });

  test('a connection on which nothing is acknowledged for half of the time to live is given up and dialled anew', async () => {
    const { server, clock } = await connected();
    const first = server.last;
    await clock.pass(TTL_MS / 4 + TTL_MS / 2 - 1);
    expect(first.isClosed).toBe(false);
    await clock.pass(1);
    expect(first.isClosed).toBe(true);
    await clock.pass(100);
    expect(server.connections).toHaveLength(2);
  });

  test('an embedded session sends no heartbeats and does not expire', async () => {
    const it = await connected(null);
    const lease = await holding(it);
    const frames = it.server.last.frames;
    await it.clock.pass(86_400_000);
    expect(it.server.last.frames).toBe(frames);
    expect(lease.signal.aborted).toBe(false);
  });
});

describe('the trust window', () => {
  test('a lease ends at the send time of the last acknowledged frame + its time to live − the margin', async () => {
    const it = await connected();
    const lease = await holding(it);
    await it.clock.pass(TRUST_MS - 1);
    expect(lease.signal.aborted).toBe(false);
    await it.clock.pass(1);
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST', name: 'LeaseLostError' });
    expect(lease.signal.reason.message).toContain("on 'db' is not safely ours any more");
  });

  test('a slow reply does not stretch the lease', async () => {
    const it = await connected();
    const lease = await holding(it);
    await it.clock.pass(TTL_MS / 4);
    const heartbeat = it.server.last.frames;
    // It is answered just before the connection would be given up.
    await it.clock.pass(TTL_MS / 2 - 1);
    it.server.last.answerUpTo(heartbeat);
    await it.clock.pass(TRUST_MS - TTL_MS / 2);
    expect(lease.signal.aborted).toBe(false);
    await it.clock.pass(1);
    expect(lease.signal.aborted).toBe(true);
  });

  test('a lost lease is not claimed any more, and its release has nothing to wait for', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.server.isThere = false;
    it.server.last.drop();
    await it.clock.pass(TRUST_MS);
    expect(lease.signal.aborted).toBe(true);
    it.server.isThere = true;
    await it.clock.pass(5_000);
    expect(it.server.last.of('claim')).toEqual([]);
    expect(await soFar(lease.release())).toEqual({ value: undefined });
    expect(await lease.check()).toBe(false);
  });

  test('a lease that is to go on is claimed whenever the server is back, and aborts when the server says that it is gone', async () => {
    const it = await connected();
    const lease = await holding(it, { onLost: 'continue' });
    it.server.isThere = false;
    it.server.last.drop();
    await it.clock.pass(10 * TTL_MS);
    expect(lease.signal.aborted).toBe(false);
    it.server.isThere = true;
    await it.clock.pass(5_000);
    expect(it.server.last.of('claim')).toEqual([{ type: 'claim', leaseId: lease.id, token: lease.token }]);
    it.server.last.welcome();
    expect(lease.signal.aborted).toBe(false);
    it.server.last.answer({
      type: 'ended',
      leaseId: lease.id,
      error: { code: 'LEASE_LOST', message: 'Gone.', details: {} },
    });
    expect(lease.signal.reason).toMatchObject({
      code: 'LEASE_LOST',
      message: 'Gone. Stop what it guards, and acquire again to go on.',
    });
  });

  test('a revoked lease aborts with the reason', async () => {
    const it = await connected();
    const lease = await holding(it);
    const error: WireError = { code: 'LEASE_REVOKED', message: 'Lease was revoked: maintenance.', details: {} };
    it.server.last.answer({ type: 'ended', leaseId: lease.id, error });
    expect(lease.signal.reason).toMatchObject({
      code: 'LEASE_REVOKED',
      message: 'Lease was revoked: maintenance. Stop what it guards.',
    });
  });

  test('a grant that lay unread until it was too late is not handed out, but asked for again', async () => {
    const { keeper, server, clock } = await connected();
    const acquired = keeper.acquire('db');
    await clock.pass(0);
    const [{ leaseId: lease } = { leaseId: '' }] = server.last.acquires;
    server.last.answer({ type: 'queued', leaseId: lease, place: { atMs: 5, number: 1 } });
    clock.stall(TTL_MS);
    server.last.grant(lease);
    expect(await soFar(acquired)).toBe('pending');
    await clock.pass(1_000);
    expect(server.connections).toHaveLength(2);
    expect(server.last.acquires).toEqual([expect.objectContaining({ leaseId: lease, place: { atMs: 5, number: 1 } })]);
    server.last.answer(
      { type: 'welcome', server: 'scripted', ttlMs: TTL_MS, version: 3 },
      granted(lease, { token: 9 }),
    );
    expect((await acquired).token).toBe(9);
  });

  test('a process that was stopped past its time to live finds its lease aborted as it wakes', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.clock.stall(TTL_MS * 2);
    await it.clock.pass(0);
    expect(lease.signal.aborted).toBe(true);
  });
});

describe('what is lost here and still counts there', () => {
  test('lost while the connection lives: it is given back there', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.clock.stall(14_500);
    await it.clock.pass(0);
    expect(lease.signal.aborted).toBe(true);
    it.server.last.answer();
    await it.clock.pass(0);
    expect(it.server.connections).toHaveLength(1);
    expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId: lease.id, token: lease.token }]);
  });

  test('lost between the claim and the welcome: it is given back after the welcome', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.server.isThere = false;
    it.server.last.drop();
    await it.clock.pass(12_000);
    it.server.isThere = true;
    await it.clock.pass(2_000);
    expect(it.server.last.of('claim')).toHaveLength(1);
    await it.clock.pass(250);
    expect(lease.signal.aborted).toBe(true);
    it.server.last.welcome();
    await it.clock.pass(0);
    expect(it.server.last.of('release')).toHaveLength(1);
  });

  test('a frame that was read too late aborts what is held at once', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.clock.stall(TTL_MS);
    it.server.last.answer();
    expect(lease.signal.aborted).toBe(true);
  });

  test('a blocked event loop: who looks at the signal before any timer is told', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.clock.stall(TTL_MS);
    expect(lease.signal.aborted).toBe(true);
  });

  test('a timeout that is over means nothing to a lease that was granted before', async () => {
    const it = await connected();
    const lease = await holding(it, { timeoutSeconds: 1 });
    await it.clock.pass(3_000);
    expect(it.server.last.of('cancel')).toEqual([]);
    expect(lease.signal.aborted).toBe(false);
  });
});

describe('clocks that drift apart', () => {
  test('a grant that may be from before is not handed out, but asked for again', async () => {
    const { keeper, server, clock } = await connected();
    const acquired = keeper.acquire('db');
    await clock.pass(10);
    const [{ leaseId: lease } = { leaseId: '' }] = server.last.acquires;
    const { frames } = server.last;
    clock.stepWall(3_600_000);
    server.last.answerUpTo(frames, granted(lease));
    expect(await soFar(acquired)).toBe('pending');
    await clock.pass(100);
    expect(server.connections).toHaveLength(2);
    server.last.answer(
      { type: 'welcome', server: 'scripted', ttlMs: TTL_MS, version: 3 },
      granted(lease, { token: 9 }),
    );
    expect((await acquired).token).toBe(9);
  });

  test('further drifts do not put off the end of the first doubt', async () => {
    const it = await connected();
    const lease = await holding(it);
    for (let second = 0; second < 6; second += 1) {
      it.clock.stepWall(10_000);
      await it.clock.pass(1_000);
    }
    expect(lease.signal.aborted).toBe(true);
  });

  test('the server is asked at once, and its answer keeps the lease', async () => {
    const it = await connected();
    const lease = await holding(it);
    const { frames } = it.server.last;
    it.clock.stepWall(3_600_000);
    await it.clock.pass(1_000);
    expect(it.server.last.frames).toBe(frames + 1);
    it.server.last.answer();
    await it.clock.pass(TTL_MS / 4 - 1);
    expect(lease.signal.aborted).toBe(false);
  });

  test('without an answer the lease is given up after a quarter of its time to live', async () => {
    const it = await connected();
    const lease = await holding(it);
    await it.clock.pass(TTL_MS / 4);
    const { frames } = it.server.last;
    it.clock.stepWall(TTL_MS);
    await it.clock.pass(1_000);
    expect(it.server.last.frames).toBe(frames + 1);
    // What was sent before may have been answered before the machine slept: it proves nothing.
    it.server.last.answerUpTo(frames);
    await it.clock.pass(TTL_MS / 4 - 1);
    expect(lease.signal.aborted).toBe(false);
    await it.clock.pass(1);
    expect(lease.signal.aborted).toBe(true);
  });

  test('a drift below a second is nothing', async () => {
    const it = await connected();
    await holding(it);
    const { frames } = it.server.last;
    it.clock.stepWall(-999);
    await it.clock.pass(1_000);
    expect(it.server.last.frames).toBe(frames);
  });
});

describe('coming back', () => {
  test('a client tries again more often than every quarter of its time to live', async () => {
    for (const ttlMs of [2_000, 15_000, 300_000]) {
      const { server, clock } = await connected(ttlMs);
      server.isThere = false;
      server.last.drop();
      await clock.pass(ttlMs);
      const before = server.connections.length;
      await clock.pass(ttlMs);
      expect(server.connections.length - before).toBeGreaterThanOrEqual(4);
    }
  });

  test('it lists what it holds, and what it waits for with its place and the time that is left', async () => {
    const it = await connected();
    const lease = await holding(it);
    void it.keeper.acquire({ gpu: 2 }, { timeoutSeconds: 10 });
    void it.keeper.acquire('cpu');
    await it.clock.pass(0);
    const [, gpu, cpu] = it.server.last.acquires;
    it.server.last.answer({ type: 'queued', leaseId: gpu!.leaseId, place: { atMs: 5, number: 1 } });
    const [first] = it.server.last.of('hello');
    await it.clock.pass(1_000);
    it.server.last.drop();
    await it.clock.pass(100);
    expect(it.statuses).toEqual(['connected', 'reconnecting']);
    const [hello, claim, waits, waitsUnplaced, ready] = it.server.last.messages;
    expect(hello).toEqual({ ...first, connection: 2 });
    expect(claim).toEqual({ type: 'claim', leaseId: lease.id, token: 7 });
    expect(waits).toMatchObject({
      request: { leaseId: gpu!.leaseId, amounts: [['gpu', 2]], place: { atMs: 5, number: 1 } },
    });
    const { timeoutMs } = it.server.last.acquires[0]!;
    expect(timeoutMs).toBeGreaterThanOrEqual(8_900);
    expect(timeoutMs).toBeLessThan(9_000);
    expect(waitsUnplaced).toMatchObject({ request: { leaseId: cpu!.leaseId, timeoutMs: null, place: null } });
    expect(ready).toEqual({ type: 'ready' });
    it.server.last.welcome();
    await it.clock.pass(0);
    expect(it.server.last.acquires).toHaveLength(2);
    expect(it.statuses).toEqual(['connected', 'reconnecting', 'connected']);
  });

  test('what is asked for while it dials is asked for after the welcome', async () => {
    const { keeper, server, clock } = await connected();
    server.last.drop();
    await clock.pass(100);
    void keeper.acquire('db');
    await clock.pass(0);
    expect(server.last.acquires).toEqual([]);
    server.last.welcome();
    await clock.pass(0);
    expect(server.last.acquires).toHaveLength(1);
  });

  test('calls that were not answered are made again', async () => {
    const { keeper, server, clock } = await connected();
    const got = keeper.limits.get('db');
    await clock.pass(0);
    server.last.drop();
    await clock.pass(100);
    server.last.welcome();
    await clock.pass(0);
    const [call] = server.last.of('call');
    expect(call).toMatchObject({ method: 'limits.get', params: { name: 'db' } });
    server.last.answer({ type: 'reply', id: call!.id, value: { name: 'db', slotDecayPerSecond: null } });
    expect(await got).toMatchObject({ name: 'db', rate: null });
  });

  test('a deletion that was made again and finds nothing is done; one that was made once is an error', async () => {
    const { keeper, server, clock } = await connected();
    const notFound: WireError = { code: 'LIMIT_NOT_FOUND', message: 'There is none.', details: {} };
    const once = keeper.limits.delete('db');
    await clock.pass(0);
    server.last.answer({ type: 'failed', id: server.last.of('call')[0]!.id, error: notFound });
    await expect(once).rejects.toMatchObject({ code: 'LIMIT_NOT_FOUND' });
    const twice = keeper.limits.delete('db');
    await clock.pass(0);
    server.last.drop();
    await clock.pass(100);
    server.last.welcome();
    await clock.pass(0);
    server.last.answer({ type: 'failed', id: server.last.of('call')[0]!.id, error: notFound });
    expect(await twice).toBeUndefined();
  });

  test('a call is given up once the server has been away for as long as a first connect may take', async () => {
    const { keeper, server, clock } = await connected();
    const got = keeper.limits.get('db').catch((error: unknown) => error);
    server.isThere = false;
    server.last.drop();
    await clock.pass(9_000);
    expect(await soFar(got)).toBe('pending');
    await clock.pass(5_000);
    expect(await got).toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });

  test('a call that has waited long outlives a short loss: the time counts from the loss', async () => {
    const it = await connected();
    const drained = it.keeper.limits.drain('db');
    for (let second = 0; second < 20; second += 1) {
      await it.clock.pass(1_000);
      it.server.last.answer();
    }
    it.server.last.drop();
    await it.clock.pass(100);
    it.server.last.welcome();
    await it.clock.pass(0);
    expect(await soFar(drained)).toBe('pending');
    expect(it.server.last.of('call')).toMatchObject([{ method: 'limits.drain' }]);
  });

  test('a call that is given up does not keep the process alive', async () => {
    const it = await connected();
    const got = it.keeper.limits.get('db').catch((error: unknown) => error);
    it.server.isThere = false;
    it.server.last.drop();
    while ((await soFar(got)) === 'pending') await it.clock.pass(50);
    expect(it.isBusy()).toBe(false);
  });

  test('a server that is going away is come back to', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.server.last.answer({ type: 'goodbye', retry: true, error: leaving });
    const tried = it.keeper.tryAcquire('db').catch(({ message }: Error) => message);
    expect(await tried).toMatch(/cannot be used: The server is closing\.$/);
    await it.clock.pass(100);
    expect(it.server.connections).toHaveLength(2);
    expect(it.server.last.of('claim')).toHaveLength(1);
    expect(lease.signal.aborted).toBe(false);
  });

  test('a session that was displaced aborts its leases, gives up what it waits for, and stays away', async () => {
    const it = await connected();
    const lease = await holding(it, { onLost: 'continue' });
    const waits = it.keeper.acquire('gpu').catch((error: unknown) => error);
    await it.clock.pass(0);
    it.server.last.answer({ type: 'goodbye', retry: false, error: conflict });
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
    expect(await waits).toMatchObject({ code: 'CONFLICT' });
    await it.clock.pass(60_000);
    expect(it.server.connections).toHaveLength(1);
    expect(it.keeper.status).toBe('closed');
    expect(it.statuses).toEqual(['connected', 'closed']);
    await expect(it.keeper.acquire('db')).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('releasing', () => {
  test('it resolves when the frame that carried it is acknowledged, and not before', async () => {
    const it = await connected();
    const lease = await holding(it);
    const released = lease.release();
    await it.clock.pass(0);
    expect(it.server.last.of('release')).toEqual([{ type: 'release', leaseId: lease.id, token: lease.token }]);
    it.server.last.answerUpTo(it.server.last.frames - 1);
    expect(await soFar(released)).toBe('pending');
    it.server.last.answer();
    expect(await soFar(released)).toEqual({ value: undefined });
    expect(lease.signal.aborted).toBe(false);
  });

  test('it is said once, however often it is asked for', async () => {
    const it = await connected();
    const lease = await holding(it);
    const released = [lease.release(), lease.release()];
    await it.clock.pass(0);
    it.server.last.answer();
    await Promise.all([...released, lease.release()]);
    await it.clock.pass(0);
    expect(it.server.last.of('release')).toHaveLength(1);
  });

  test('a lost acknowledgement: the next connection does not claim the lease, and its welcome is the answer', async () => {
    const it = await connected();
    const lease = await holding(it);
    const released = lease.release();
    await it.clock.pass(0);
    it.server.last.drop();
    await it.clock.pass(100);
    expect(it.server.last.of('claim')).toEqual([]);
    expect(await soFar(released)).toBe('pending');
    it.server.last.welcome();
    expect(await soFar(released)).toEqual({ value: undefined });
  });

  test('released after the claim and before the welcome: it is said after the welcome, and its acknowledgement counts', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.server.last.drop();
    await it.clock.pass(100);
    expect(it.server.last.of('claim')).toHaveLength(1);
    const released = lease.release();
    await it.clock.pass(0);
    expect(it.server.last.of('release')).toEqual([]);
    it.server.last.welcome();
    await it.clock.pass(0);
    expect(it.server.last.of('release')).toHaveLength(1);
    expect(await soFar(released)).toBe('pending');
    it.server.last.answer();
    expect(await soFar(released)).toEqual({ value: undefined });
  });

  test('where the server stays away, it resolves when the lease would have ended anyway', async () => {
    const it = await connected();
    const lease = await holding(it);
    it.server.isThere = false;
    it.server.last.drop();
    const released = lease.release();
    await it.clock.pass(TRUST_MS - 1);
    expect(await soFar(released)).toBe('pending');
    await it.clock.pass(1);
    expect(await soFar(released)).toEqual({ value: undefined });
  });
});

describe('giving up', () => {
  test('an aborted acquire rejects at once with the reason and gives up its place', async () => {
    const { keeper, server, clock, isBusy } = await connected();
    const controller = new AbortController();
    const acquired = keeper.acquire('db', { signal: controller.signal }).catch((error: unknown) => error);
    await clock.pass(0);
    controller.abort('enough');
    expect(await acquired).toBe('enough');
    await clock.pass(0);
    expect(server.last.of('cancel')).toEqual([{ type: 'cancel', leaseId: server.last.acquires[0]!.leaseId }]);
    expect(isBusy()).toBe(false);
  });

  test('an acquire whose signal has aborted before asks for nothing', async () => {
    const { keeper, server, clock } = await connected();
    await expect(keeper.acquire('db', { signal: AbortSignal.abort('never') })).rejects.toBe('never');
    await clock.pass(0);
    expect(server.last.acquires).toEqual([]);
  });

  test('a grant that crosses the cancel is given back', async () => {
    const { keeper, server, clock } = await connected();
    const controller = new AbortController();
    const acquired = keeper.acquire('db', { signal: controller.signal }).catch((error: unknown) => error);
    await clock.pass(0);
    controller.abort('enough');
    await acquired;
    const [{ leaseId: lease } = { leaseId: '' }] = server.last.acquires;
    server.last.grant(lease, { token: 12 });
    await clock.pass(0);
    expect(server.last.of('release')).toEqual([{ type: 'release', leaseId: lease, token: 12 }]);
  });

  test('what was given up without a connection is not asked for again', async () => {
    const { keeper, server, clock } = await connected();
    const controller = new AbortController();
    const acquired = keeper.acquire('db', { signal: controller.signal }).catch((error: unknown) => error);
    await clock.pass(0);
    server.last.drop();
    controller.abort('enough');
    expect(await acquired).toBe('enough');
    await clock.pass(100);
    expect(server.last.messages.map(({ type }) => type)).toEqual(['hello', 'ready']);
  });
});

describe('running out of time', () => {
  test('the server says why', async () => {
    const { keeper, server, clock } = await connected();
    const acquired = keeper.acquire('db', { timeoutSeconds: 2 }).catch((error: unknown) => error);
    await clock.pass(0);
    const [{ leaseId: lease, timeoutMs } = { leaseId: '', timeoutMs: 0 }] = server.last.acquires;
    expect(timeoutMs).toBe(2_000);
    await clock.pass(2_010);
    const holder = { type: null, id: null, label: 'nightly', host: 'box', pid: 1 };
    const heldBy = [{ leaseId: 'other', holder, slots: 1, since: 1_700_000_000_000 }];
    const explanation = {
      ticket: lease,
      position: 1,
      ahead: 0,
      lacking: [{ name: 'db', wanted: 1, free: 0, heldBy }],
      text: 'Full.',
    };
    const details = { timeoutMs, explanation };
    server.last.answer({
      type: 'refused',
      leaseId: lease,
      error: { code: 'ACQUIRE_TIMEOUT', message: 'Full.', details },
    });
    expect(await acquired).toMatchObject({
      name: 'TimeoutError',
      code: 'ACQUIRE_TIMEOUT',
      explanation: {
        position: 1,
        lacking: [{ heldBy: [{ since: new Date(1_700_000_000_000), holder: { label: 'nightly' } }] }],
      },
    });
  });

  test('without a connection it ends exactly then', async () => {
    const { keeper, server, clock } = await connected();
    server.isThere = false;
    server.last.drop();
    const acquired = keeper.acquire({ db: 1, gpu: 2 }, { timeoutSeconds: 2 }).catch((error: unknown) => error);
    await clock.pass(1_999);
    expect(await soFar(acquired)).toBe('pending');
    await clock.pass(1);
    expect(await acquired).toMatchObject({
      code: 'ACQUIRE_TIMEOUT',
      explanation: undefined,
      message: expect.stringContaining("'db', 'gpu' (2): not granted within 2 s; the server had not answered"),
    });
  });

  test('a server that is connected and says nothing is waited for a little longer, then cancelled', async () => {
    const { keeper, server, clock } = await connected();
    const acquired = keeper.acquire('db', { timeoutSeconds: 2 }).catch((error: unknown) => error);
    await clock.pass(2_999);
    expect(await soFar(acquired)).toBe('pending');
    await clock.pass(1);
    expect(await acquired).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    await clock.pass(0);
    expect(server.last.of('cancel')).toHaveLength(1);
  });

  test('a try that the server refuses is undefined; one that it cannot be asked for is an error', async () => {
    const { keeper, server, clock } = await connected();
    const busy = keeper.tryAcquire('db');
    await clock.pass(0);
    const [{ leaseId: lease, timeoutMs } = { leaseId: '', timeoutMs: null }] = server.last.acquires;
    expect(timeoutMs).toBe(0);
    server.last.answer({
      type: 'refused',
      leaseId: lease,
      error: { code: 'ACQUIRE_TIMEOUT', message: 'Busy.', details: {} },
    });
    expect(await busy).toBeUndefined();
    server.last.drop();
    await expect(keeper.tryAcquire('db')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });
});
