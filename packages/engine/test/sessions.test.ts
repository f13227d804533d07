import { describe, expect, it } from 'vitest';
import { HOLD_BACK_MS } from '../src/index.ts';
import { grants, request, Scene, told } from './scene.ts';

describe('a session', () => {
  it('and all its leases live as long as it gives signs of life within its time to live', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T', { ttlMs: 2000 });
    scene.acquire('lease', { db: 1 }, { session: 'T' });
    for (let beat = 0; beat < 5; beat++) {
      scene.sleep(1999);
      scene.alive('T');
    }
    expect(scene.engine.limitView('db')?.free).toBe(0);
  });

  it('that gives no sign of life is disconnected, and its places are gone', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T', { connection: 7 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('waiter', { db: 1 }, { session: 'T' });
    expect(scene.sleep(2000)).toEqual([{ type: 'disconnect', sessionId: 'T', connection: 7, reason: 'lapsed' }]);
    expect(scene.waiting()).toEqual([]);
  });

  it('outlives its connection for its time to live, from its last sign of life', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('lease', { db: 1 }, { session: 'T' });
    scene.sleep(1500);
    scene.lose('T');
    scene.sleep(499);
    expect(scene.engine.limitView('db')?.free).toBe(0);
    scene.sleep(1);
    expect(scene.engine.limitView('db')?.free).toBe(1);
  });

  it('that holds nothing keeps its places for `keepMs` after its connection is lost', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('holder', { db: 1 });
    scene.acquire('waiter', { db: 1 }, { session: 'T' });
    scene.lose('T', 5000);
    scene.sleep(4999);
    expect(scene.waiting()).toEqual(['waiter']);
    scene.sleep(1);
    expect(scene.waiting()).toEqual([]);
  });

  it('that closes gives back all it holds and leaves the line', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('one', { db: 1 }, { session: 'T' });
    scene.acquire('two', { db: 1 }, { session: 'T' });
    scene.acquire('waiting', { db: 2 }, { session: 'T' });
    scene.acquire('next', { db: 2 });
    expect(grants(scene.close('T'))).toEqual(['next']);
    expect(scene.waiting()).toEqual([]);
  });

  it('of the embedding process does not expire', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('lease', { db: 1 });
    expect(scene.engine.wakeAtMs).toBeNull();
  });
});

describe('a client that comes back', () => {
  /** Session `T` holds `held` (of `a`) and waits for `awaited` (of `b`), then its connection is lost. */
  function away(): Scene {
    const scene = new Scene({ a: 1, b: 1 });
    scene.open('T');
    scene.acquire('b held', { b: 1 });
    scene.acquire('held', { a: 1 }, { session: 'T' });
    scene.acquire('awaited', { b: 1 }, { session: 'T' });
    scene.acquire('behind', { b: 1 });
    scene.lose('T');
    return scene;
  }
  const wait = (scene: Scene) => request('awaited', { b: 1 }, { place: scene.place('awaited') });

  it('keeps what it lists, and its place', () => {
    const scene = away();
    const place = scene.place('awaited');
    const step = scene.open('T', { leases: [scene.claim('held')], waits: [wait(scene)] });
    expect(step.notices).toEqual([{ type: 'queued', sessionId: 'T', leaseId: 'awaited', place }]);
    expect(scene.waiting()).toEqual(['awaited', 'behind']);
    expect(grants(scene.release('b held'))).toEqual(['awaited']);
  });

  it('gives back a lease that it does not list', () => {
    const scene = away();
    const { facts } = scene.open('T', { waits: [wait(scene)] });
    expect(facts).toEqual([{ type: 'lease.released', at: scene.nowMs, leaseId: 'held', names: null, how: 'returned' }]);
  });

  it('leaves the line where it lists no wait', () => {
    const scene = away();
    scene.open('T', { leases: [scene.claim('held')] });
    expect(scene.waiting()).toEqual(['behind']);
  });

  it('is notified again of a grant that it has not received', () => {
    const scene = new Scene({ a: 1 });
    scene.open('T');
    scene.acquire('lease', { a: 1 }, { session: 'T' });
    const step = scene.open('T', { waits: [request('lease', { a: 1 })] });
    expect(told(step, 'lease')).toBe('granted');
    expect(step.facts).toEqual([]);
  });

  it('is told of each lease that is not its own any more', () => {
    const scene = away();
    const stale = scene.token('held') - 1;
    const step = scene.open('T', { leases: [['held', stale], ['unknown', 3], scene.claim('b held')] });
    for (const lease of ['held', 'unknown', 'b held']) expect(told(step, lease)).toBe('LEASE_LOST');
    expect(scene.holding()).toEqual(['b held']);
  });

  it('is back at its old place after its session has ended', () => {
    const scene = away();
    const { place } = wait(scene);
    scene.sleep(4000);
    expect(scene.waiting()).toEqual(['behind']);
    scene.open('T', { waits: [request('awaited', { b: 1 }, { place })] });
    expect(scene.waiting()).toEqual(['awaited', 'behind']);
  });

  it('has its tries decided at their places among those it waits for', () => {
    const scene = new Scene({ a: 1 });
    const later = { atMs: scene.nowMs + 5000, number: 1 };
    scene.open('T', {
      waits: [request('humble', { a: 1 }, { priority: -5, place: later }), request('try', { a: 1 }, { timeoutMs: 0 })],
    });
    expect(scene.holding()).toEqual(['try']);
    expect(scene.waiting()).toEqual(['humble']);
  });

  it('with a try moves nobody: what the others reserve stays reserved', () => {
    const scene = new Scene({ b: 1, c: 1 });
    scene.limit('c', { overtakes: 0 });
    scene.acquire('b held', { b: 1 });
    scene.acquire('both', { b: 1, c: 1 });
    scene.acquire('behind', { c: 1 });
    const step = scene.open('T', { waits: [request('try', { b: 1 }, { timeoutMs: 0, priority: 1 })] });
    expect(told(step, 'try')).toBe('ACQUIRE_TIMEOUT');
    expect(scene.waiting()).toEqual(['both', 'behind']);
  });

  it('cannot claim a place later than now, as no engine gave it one', () => {
    const scene = away();
    scene.open('T', {
      waits: [request('awaited', { b: 1 }), request('odd', { b: 1 }, { place: { atMs: 10 ** 15, number: 1 } })],
    });
    expect(scene.place('odd').atMs).toBe(scene.nowMs);
  });

  it('cannot claim a place that was never given: it is at the end', () => {
    const scene = away();
    const odd = { atMs: 0, number: scene.place('behind').number + 1 };
    scene.open('U', { waits: [request('odd', { b: 1 }, { place: odd })] });
    expect(scene.waiting()).toEqual(['awaited', 'behind', 'odd']);
  });

  it('cannot claim a place from before the start of its epoch, nor one that the greatest priority would not give', () => {
    const scene = away();
    const startedAtMs = 1_000_000;
    const { number } = scene.place('behind');
    const ofThisEpoch = { atMs: -1e12, number };
    const ofAnEarlierOne = { atMs: -1e12, number: 7 };
    scene.open('U', {
      waits: [
        request('this', { b: 1 }, { place: ofThisEpoch }),
        request('this, preferred', { b: 1 }, { place: ofThisEpoch, priority: 60 }),
        request('earlier', { b: 1 }, { place: ofAnEarlierOne }),
      ],
    });
    expect(scene.place('this').atMs).toBe(startedAtMs);
    expect(scene.place('this, preferred').atMs).toBe(startedAtMs - 60_000);
    expect(scene.place('earlier').atMs).toBe(startedAtMs - 86_400_000);
  });

  it('displaces its earlier connection, from which nothing is heeded any more', () => {
    const scene = new Scene({ a: 1 });
    scene.open('T', { connection: 1 });
    scene.acquire('lease', { a: 1 }, { session: 'T' });
    const step = scene.open('T', { connection: 2, leases: [scene.claim('lease')] });
    expect(step.notices).toEqual([{ type: 'disconnect', sessionId: 'T', connection: 1, reason: 'displaced' }]);
    scene.do({ type: 'session.lost', sessionId: 'T', connection: 1 });
    scene.do({ type: 'session.close', sessionId: 'T', connection: 1 });
    expect(scene.holding()).toEqual(['lease']);
    scene.sleep(1000);
    scene.do({ type: 'session.alive', sessionId: 'T', connection: 1 });
    scene.sleep(1000);
    expect(scene.engine.limitView('a')?.free).toBe(1);
  });

  it('on a connection that is not newer is refused, and nothing changes', () => {
    const scene = new Scene({ a: 1 });
    scene.open('T', { connection: 5 });
    scene.acquire('lease', { a: 1 }, { session: 'T' });
    expect(scene.open('T', { connection: 5 }).refusal?.code).toBe('CONFLICT');
    expect(scene.open('T', { connection: 4 }).refusal?.code).toBe('CONFLICT');
    expect(scene.holding()).toEqual(['lease']);
  });
});

describe('a new start from the journal', () => {
  /** `T` held `held` of one slot, `U` waited; then the process died. */
  function restarted(): Scene {
    const scene = new Scene({ db: 1 });
    scene.open('T', { ttlMs: 3000 });
    scene.open('U', { ttlMs: 3000 });
    scene.acquire('held', { db: 1 }, { session: 'T' });
    scene.acquire('awaited', { db: 1 }, { session: 'U' });
    scene.sleep(2500);
    scene.restart();
    return scene;
  }

  it('gives every lease one full time to live', () => {
    const scene = restarted();
    scene.sleep(2999);
    expect(scene.engine.limitView('db')?.free).toBe(0);
    scene.sleep(1);
    expect(scene.engine.limitView('db')?.free).toBe(1);
  });

  it('grants nothing for the first second, so that those who waited are before newcomers', () => {
    const scene = restarted();
    const held = scene.claim('held');
    const place = scene.place('awaited');
    scene.open('New');
    expect(scene.acquire('newcomer', { db: 1 }, { session: 'New' })).toBe('queued');
    scene.open('T', { leases: [held] });
    expect(grants(scene.release('held'))).toEqual([]);
    scene.open('U', { waits: [request('awaited', { db: 1 }, { place })] });
    expect(scene.sleep(HOLD_BACK_MS - 1)).toEqual([]);
    scene.sleep(1);
    expect(scene.holding()).toEqual(['awaited']);
    expect(scene.waiting()).toEqual(['newcomer']);
  });

  it('decides a try at the end of that second, and tells it no place', () => {
    const scene = restarted();
    scene.limit('db', { slots: 2 });
    scene.open('New');
    expect(scene.acquire('try', { db: 1 }, { session: 'New', timeoutMs: 0 })).toBe('nothing');
    expect(scene.acquire('late try', { db: 1 }, { session: 'New', timeoutMs: 0 })).toBe('nothing');
    const said = scene.sleep(HOLD_BACK_MS);
    expect(told({ notices: said }, 'try')).toBe('granted');
    expect(told({ notices: said }, 'late try')).toBe('ACQUIRE_TIMEOUT');
    expect(scene.waiting()).toEqual([]);
  });

  it('lets no try stand in the way of another', () => {
    const scene = restarted();
    scene.limit('db', { slots: 2 });
    scene.open('New');
    scene.acquire('big', { db: 2 }, { session: 'New', timeoutMs: 0 });
    scene.acquire('small', { db: 1 }, { session: 'New', timeoutMs: 0 });
    const said = scene.sleep(HOLD_BACK_MS);
    expect(told({ notices: said }, 'big')).toBe('ACQUIRE_TIMEOUT');
    expect(told({ notices: said }, 'small')).toBe('granted');
  });

  it('grants at once if nobody held anything', () => {
    const scene = new Scene({ db: 1 });
    scene.restart();
    scene.open('T');
    expect(scene.acquire('lease', { db: 1 }, { session: 'T' })).toBe('granted');
  });

  it('ends what the process that embedded the engine held', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('embedded', { db: 1 });
    scene.restart();
    expect(scene.engine.wakeAtMs).toBe(scene.nowMs);
    scene.sleep(0);
    expect(scene.holding()).toEqual([]);
  });

  it('has what that process held on offer even before its first tick', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('embedded', { db: 1 });
    scene.restart();
    expect(scene.engine.isValid('embedded', scene.token('embedded'))).toBe(false);
    scene.open('New');
    expect(scene.acquire('newcomer', { db: 1 }, { session: 'New' })).toBe('granted');
    expect(scene.holding()).toEqual(['newcomer']);
  });

  it('gives newcomers places after those who waited before it', () => {
    const scene = restarted();
    const place = scene.place('awaited');
    scene.open('New');
    scene.nowMs = place.atMs;
    scene.acquire('newcomer', { db: 1 }, { session: 'New' });
    scene.open('U', { waits: [request('awaited', { db: 1 }, { place })] });
    expect(scene.waiting()).toEqual(['awaited', 'newcomer']);
  });
});
