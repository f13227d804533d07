import { describe, expect, it } from 'vitest';
import { grants, request, Scene, told } from './scene.ts';

describe('a lease', () => {
  it('has the position of its grant as its token, and later grants have greater ones', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 1 });
    expect(scene.token('one')).toBe(2);
    expect(scene.token('two')).toBe(3);
    scene.release('one');
    scene.acquire('one', { db: 1 });
    expect(scene.token('one')).toBe(5);
  });

  it('is released once; a stale token changes nothing', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('one', { db: 1 });
    const stale = scene.token('one');
    scene.release('one');
    scene.acquire('one', { db: 1 });
    expect(scene.do({ type: 'release', leaseId: 'one', token: stale }).facts).toEqual([]);
    expect(scene.holding('db')).toEqual(['one']);
  });

  it('gives back some of its limits and keeps the others', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('both', { db: 1, gpu: 1 });
    scene.release('both', ['gpu', 'unknown']);
    expect(scene.holding('gpu')).toEqual([]);
    expect(scene.holding('db')).toEqual(['both']);
    scene.release('both', ['db']);
    expect(scene.holding()).toEqual([]);
  });

  it('asked for again is answered again: the same acquire is the same acquire', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('held', { db: 1 });
    scene.acquire('awaited', { db: 1 });
    expect(scene.acquire('held', { db: 1 })).toBe('granted');
    expect(scene.acquire('awaited', { db: 1 })).toBe('queued');
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1, waiters: 1 });
  });

  it('asked for again with other amounts, or by somebody else, is a conflict that changes nothing', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('held', { db: 2 });
    scene.acquire('awaited', { db: 1 });
    expect(scene.acquire('held', { db: 1 })).toBe('CONFLICT');
    expect(scene.acquire('held', { db: 2 }, { session: 'T' })).toBe('CONFLICT');
    expect(scene.acquire('awaited', { db: 2 })).toBe('CONFLICT');
    expect(scene.acquire('awaited', { db: 1 }, { session: 'T' })).toBe('CONFLICT');
    expect(scene.waiting()).toEqual(['awaited']);
  });

  it('that is cancelled after it was granted gives its slots back', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('one', { db: 1 });
    scene.cancel('one');
    expect(scene.holding()).toEqual([]);
  });

  it('is not cancelled by another session', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('held', { db: 1 });
    scene.acquire('awaited', { db: 1 });
    scene.cancel('held', 'T');
    scene.cancel('awaited', 'T');
    expect(scene.holding()).toEqual(['held']);
    expect(scene.waiting()).toEqual(['awaited']);
  });
});

describe('a lease whose holder gives no sign of life', () => {
  /** Lease `old` of session `T`, which gives no sign of life for its time to live of 2 s. */
  function lapsed(slots = 1): Scene {
    const scene = new Scene({ db: slots });
    scene.open('T');
    scene.acquire('old', { db: 1 }, { session: 'T' });
    scene.sleep(2000);
    return scene;
  }

  it('lapses: it is still there, and its slots are free', () => {
    const scene = lapsed();
    expect(scene.holding()).toEqual(['old']);
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1, free: 1 });
  });

  it('does not lapse before its time', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('old', { db: 1 }, { session: 'T' });
    scene.sleep(1999);
    expect(scene.acquire('new', { db: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
  });

  it('ends for good in the same step as the grant that needs its slots, before it', () => {
    const scene = lapsed();
    const step = scene.do({ type: 'acquire', sessionId: 'S', request: request('new', { db: 1 }, { timeoutMs: 0 }) });
    expect(step.facts.map(({ type }) => type)).toEqual(['lease.expired', 'lease.granted']);
    expect(told(scene.open('T', { leases: [['old', 2]] }), 'old')).toBe('LEASE_LOST');
  });

  it('hands its slots to those who wait as it lapses', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('old', { db: 1 }, { session: 'T' });
    scene.acquire('waiter', { db: 1 });
    expect(told({ notices: scene.sleep(2000) }, 'waiter')).toBe('granted');
    expect(scene.holding()).toEqual(['waiter']);
  });

  it('hands them over even to one whose timeout has come in the same moment', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('old', { db: 1 }, { session: 'T' });
    scene.acquire('waiter', { db: 1 }, { timeoutMs: 2000 });
    expect(told({ notices: scene.sleep(2000) }, 'waiter')).toBe('granted');
  });

  it('is left alone while others find room beside it', () => {
    const scene = lapsed(2);
    expect(scene.acquire('new', { db: 1 })).toBe('granted');
    expect(scene.holding()).toEqual(['old', 'new']);
  });

  it('is whole again when its client comes back in time', () => {
    const scene = lapsed();
    expect(told(scene.open('T', { leases: [scene.claim('old')] }), 'old')).toBe('nothing');
    expect(scene.acquire('new', { db: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
  });

  it('is not made whole while somebody is parked on its limit', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('old', { db: 1 }, { session: 'T' });
    scene.acquire('other', { db: 1 });
    scene.sleep(2000);
    scene.acquire('big', { db: 2 });
    const step = scene.open('T', { leases: [scene.claim('old')] });
    expect(told(step, 'old')).toBe('LEASE_LOST');
    expect(step.facts.map(({ type }) => type)).toEqual(['lease.expired']);
  });

  it('ends one time to live after it lapsed if nobody needs it', () => {
    const scene = lapsed();
    scene.sleep(1999);
    expect(scene.holding()).toEqual(['old']);
    scene.sleep(1);
    expect(scene.holding()).toEqual([]);
    expect(scene.facts.at(-1)).toMatchObject({ type: 'lease.expired', leaseId: 'old' });
  });

  it('ends with the oldest first, whole leases, and no more than are needed', () => {
    const scene = new Scene({ a: 3, b: 1 });
    scene.open('Y');
    scene.open('X');
    scene.acquire('first', { a: 1, b: 1 }, { session: 'X' });
    scene.acquire('second', { a: 1 }, { session: 'Y' });
    scene.acquire('third', { a: 1 }, { session: 'X' });
    scene.sleep(2000);
    scene.acquire('new', { a: 2 });
    expect(scene.holding()).toEqual(['third', 'new']);
    expect(scene.engine.limitView('b')?.taken).toBe(0);
  });

  it('ends before one that lapsed later, whatever their tokens', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T', { ttlMs: 3000 });
    scene.open('U', { ttlMs: 2000 });
    scene.acquire('lower token', { db: 1 }, { session: 'T' });
    scene.acquire('least deadline', { db: 1 }, { session: 'U' });
    scene.sleep(3000);
    scene.acquire('new', { db: 1 });
    expect(scene.holding()).toEqual(['lower token', 'new']);
  });

  it('gets more time by as much as the host could not run', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('old', { db: 1 }, { session: 'T' });
    scene.nowMs += 5000;
    scene.do({ type: 'stalled', byMs: 5000 });
    scene.sleep(1999);
    expect(scene.acquire('new', { db: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    scene.sleep(1);
    expect(scene.acquire('new', { db: 1 }, { timeoutMs: 0 })).toBe('granted');
  });
});

describe('a lease that is renewed by itself', () => {
  /** Lease `rest` with a time to live of 2 s, whose session's connection has gone. */
  function rest(): Scene {
    const scene = new Scene({ db: 1 });
    scene.open('R', { lifeline: 'renewal', waits: [request('rest', { db: 1 })] });
    scene.lose('R');
    return scene;
  }

  it('outlives its connection, for its time to live', () => {
    const scene = rest();
    scene.sleep(1999);
    expect(scene.engine.limitView('db')?.free).toBe(0);
    scene.sleep(1);
    expect(scene.engine.limitView('db')?.free).toBe(1);
    scene.sleep(2000);
    expect(scene.holding()).toEqual([]);
  });

  it('lives on for the new time to live from its renewal, which is a fact', () => {
    const scene = rest();
    scene.sleep(1000);
    expect(scene.do({ type: 'renew', leaseId: 'rest', ttlMs: 5000 }).facts).toEqual([
      { type: 'lease.renewed', at: scene.nowMs, leaseId: 'rest', ttlMs: 5000 },
    ]);
    scene.sleep(4999);
    expect(scene.engine.limitView('db')?.free).toBe(0);
    scene.sleep(1);
    expect(scene.engine.limitView('db')?.free).toBe(1);
  });

  it('is renewed late as long as nobody has its slots', () => {
    const scene = rest();
    scene.sleep(3000);
    expect(scene.do({ type: 'renew', leaseId: 'rest', ttlMs: 2000 }).refusal).toBeUndefined();
    expect(scene.engine.limitView('db')?.free).toBe(0);
  });

  it('is lost once its slots have gone to another', () => {
    const scene = rest();
    scene.sleep(2000);
    expect(scene.acquire('new', { db: 1 })).toBe('granted');
    expect(scene.do({ type: 'renew', leaseId: 'rest', ttlMs: 2000 }).refusal?.code).toBe('LEASE_LOST');
  });

  it('that was lost leaves its time to live to no later one of its session', () => {
    const scene = rest();
    scene.do({ type: 'renew', leaseId: 'rest', ttlMs: 500 });
    scene.sleep(500);
    scene.acquire('new', { db: 1 });
    scene.release('new');
    scene.open('R', { lifeline: 'renewal', ttlMs: 2000, waits: [request('again', { db: 1 })] });
    expect(scene.facts.at(-1)).toMatchObject({ type: 'lease.granted', leaseId: 'again', ttlMs: 2000 });
  });

  it('without a time to live lasts until it is released', () => {
    const scene = new Scene({ db: 1 });
    scene.open('R', { lifeline: 'renewal', ttlMs: null, waits: [request('rest', { db: 1 })] });
    scene.lose('R');
    scene.sleep(10 ** 9);
    expect(scene.engine.limitView('db')?.free).toBe(0);
    expect(scene.engine.wakeAtMs).toBeNull();
    scene.release('rest');
    expect(scene.engine.limitView('db')?.free).toBe(1);
  });

  it('is renewed only by itself: a lease of a heartbeat session is not', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('beating', { db: 1 }, { session: 'T' });
    expect(scene.do({ type: 'renew', leaseId: 'beating', ttlMs: 60_000 }).refusal?.code).toBe('LEASE_LOST');
    expect(grants(scene.do({ type: 'tick' }))).toEqual([]);
  });
});
