import { describe, expect, it } from 'vitest';
import { type AcquireRequest, type Bounds, Engine, emptyState, type LimitPatch, type Step } from '../src/index.ts';
import { request, Scene } from './scene.ts';

describe('a refusal says what was seen, and to which limit', () => {
  it('ACQUIRE_TIMEOUT: who holds it, and how many are ahead', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('holder', { db: 2 }, { holder: { type: 'job', id: '7', label: 'nightly', host: 'h', pid: 1 } });
    scene.acquire('ahead', { db: 1 });
    scene.acquire('waiter', { db: 1 }, { timeoutMs: 1000 });
    scene.sleep(1000);
    const { code, message, details } = scene.refusal('waiter');
    expect(code).toBe('ACQUIRE_TIMEOUT');
    expect(message).toBe(
      "The slots were not granted within 1 s: wants 1 of 'db', of which 0 of 2 are free (held by 'nightly' on h (1) for 1.0 s), 1 waiter is ahead.",
    );
    expect(details).toMatchObject({
      timeoutMs: 1000,
      explanation: {
        ticket: 'waiter',
        position: 2,
        ahead: 1,
        lacking: [
          { name: 'db', wanted: 1, free: 0, heldBy: [{ leaseId: 'holder', slots: 2, holder: { label: 'nightly' } }] },
        ],
      },
    });
  });

  it('ACQUIRE_TIMEOUT names the three who have held it the longest, as well as they can be named, and counts the others', () => {
    const scene = new Scene({ db: 5 });
    const nobody = { type: null, id: null, label: null, host: null, pid: null };
    scene.acquire('first', { db: 1 }, { holder: { ...nobody, type: 'task-run', id: '7' } });
    scene.sleep(90_000);
    scene.acquire('second', { db: 1 }, { holder: { ...nobody, host: 'worker-3' } });
    scene.acquire('third', { db: 1 });
    for (const lease of ['fourth', 'fifth']) scene.acquire(lease, { db: 1 });
    scene.sleep(7_200_000);
    scene.acquire('try', { db: 1 }, { timeoutMs: 0 });
    expect(scene.refusal('try').message).toContain(
      "(held by 'task-run 7' for 122 min, worker-3 for 120 min, a holder without a name for 120 min and 2 more)",
    );
  });

  it('ACQUIRE_TIMEOUT of a try: only the limits that lack', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('holder', { gpu: 1 });
    scene.acquire('try', { db: 1, gpu: 1 }, { timeoutMs: 0 });
    expect(scene.refusal('try').message).toContain('not free at once');
    expect(scene.refusal('try').details).toMatchObject({ explanation: { lacking: [{ name: 'gpu' }] } });
  });

  it('case 9: REQUEST_TOO_LARGE: what was wanted and what there is, at once whatever the timeout', () => {
    const scene = new Scene({ db: 3 });
    for (const timeoutMs of [null, 0, 1000]) {
      expect(scene.acquire('big', { db: 5 }, { timeoutMs })).toBe('REQUEST_TOO_LARGE');
      expect(scene.refusal('big').details).toEqual({ name: 'db', wanted: 5, slots: 3 });
    }
  });

  it('CONFLICT of a delete: how many hold it', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 1 });
    const { refusal } = scene.do({ type: 'limit.delete', name: 'db', force: false });
    expect(refusal?.message).toContain("'db' has 2 holders");
  });

  it('LEASE_REVOKED: the reason', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('lease', { db: 1 });
    scene.do({ type: 'limit.delete', name: 'db', force: true });
    expect(scene.refusal('lease').code).toBe('LEASE_REVOKED');
    expect(scene.refusal('lease').message).toContain("'db'");
  });
});

describe('the bounds of the engine refuse with QUEUE_FULL', () => {
  const bounds = { sessions: 2, waiters: 2, waitersPerSession: 1, leasesPerSession: 2 };
  const bounded = () => {
    const engine = new Engine(emptyState(), { epoch: 1, nowMs: 0 }, bounds);
    const open = (session: string) =>
      engine.step(
        {
          type: 'session.open',
          sessionId: session,
          connection: 1,
          lifeline: 'heartbeat',
          ttlMs: 2000,
          leases: [],
          waits: [],
          origin: 'session',
        },
        0,
      );
    const acquire = (session: string, asked: AcquireRequest) =>
      code(engine.step({ type: 'acquire', sessionId: session, request: asked }, 0));
    engine.step({ type: 'limit.set', name: 'db', id: 'id', patch: { slots: 2 } }, 0);
    engine.step({ type: 'limit.set', name: 'gpu', id: 'id', patch: { slots: 9 } }, 0);
    open('S');
    open('T');
    return { open, acquire };
  };

  it('one session more than there may be', () => {
    expect(bounded().open('U').refusal?.code).toBe('QUEUE_FULL');
  });

  it('one lease of a session more than there may be', () => {
    const { acquire } = bounded();
    expect(acquire('S', request('one', { gpu: 1 }))).toBe('granted');
    expect(acquire('S', request('two', { gpu: 1 }))).toBe('granted');
    expect(acquire('S', request('three', { gpu: 1 }))).toBe('QUEUE_FULL');
    expect(acquire('T', request('four', { gpu: 1 }))).toBe('granted');
  });

  const setUp = (bounds: Partial<Bounds>) => {
    const engine = new Engine(emptyState(), { epoch: 1, nowMs: 0 }, bounds);
    const set = (name: string, patch: LimitPatch = { slots: 100 }) =>
      engine.step({ type: 'limit.set', name, id: name, patch }, 0).refusal;
    const open = (sessionId: string) =>
      engine.step(
        {
          type: 'session.open',
          sessionId,
          connection: 1,
          lifeline: 'heartbeat',
          ttlMs: 2000,
          leases: [],
          waits: [],
          origin: 'session',
        },
        0,
      );
    const acquire = (sessionId: string, asked: AcquireRequest) =>
      engine.step({ type: 'acquire', sessionId, request: asked }, 0);
    const release = (leaseId: string) =>
      engine.step({ type: 'release', leaseId, token: engine.state.leases.get(leaseId)?.token ?? 0 }, 0);
    return { engine, set, open, acquire, release };
  };
  const refusalOf = ({ notices }: Step) => notices.find((notice) => notice.type === 'refused')?.refusal;

  it('one lease more than there may be, whoever holds them', () => {
    const { set, open, acquire, release } = setUp({ leases: 2 });
    set('db');
    for (const session of ['S', 'T', 'U']) open(session);
    expect(code(acquire('S', request('one', { db: 1 })))).toBe('granted');
    expect(code(acquire('T', request('two', { db: 1 })))).toBe('granted');
    expect(refusalOf(acquire('U', request('three', { db: 1 })))).toMatchObject({
      details: { max: 2, bound: 'leases' },
    });
    release('one');
    expect(code(acquire('U', request('four', { db: 1 })))).toBe('granted');
  });

  it('more bytes than one client may keep, or all of them; what is given back counts no more', () => {
    const { set, open, acquire, release } = setUp({ bytes: 40_000 });
    set('db');
    set('busy', { slots: 1 });
    const label = 'x'.repeat(255);
    const heavy = (id: string, amounts: Record<string, number>): AcquireRequest => ({
      ...request(id, amounts),
      holder: { type: label, id: label, label, host: label, pid: null },
    });
    for (const session of ['S', 'T', 'U', 'V', 'W']) open(session);
    for (let round = 0; round < 3; round += 1) {
      const held: string[] = [];
      for (const session of ['S', 'T', 'U', 'V']) {
        for (let i = 0; ; i += 1) {
          const id = `${round} ${session} ${i}`;
          const refusal = refusalOf(acquire(session, heavy(id, { [i % 2 === 0 ? 'db' : 'busy']: 1 })));
          if (refusal) {
            expect(refusal).toMatchObject({ code: 'QUEUE_FULL', details: { max: 10_000, bound: 'bytes' } });
            expect(i).toBe(3);
            break;
          }
          held.push(id);
        }
      }
      expect(code(acquire('W', heavy(`${round} W 1`, { db: 1 })))).toBe('granted');
      expect(code(acquire('W', heavy(`${round} W 2`, { db: 1 })))).toBe('granted');
      const last = refusalOf(acquire('W', heavy(`${round} W 3`, { db: 1 })));
      expect(last).toMatchObject({ code: 'QUEUE_FULL', details: { max: 40_000, bound: 'bytes' } });
      // Each that is released lets the next one have 'busy', which then is released in its turn.
      for (const id of [...held, `${round} W 1`, `${round} W 2`]) release(id);
    }
  });

  it('one limit more than there may be, however it is created', () => {
    const { engine, set, open, acquire } = setUp({ limits: 2 });
    open('S');
    expect(set('one')).toBeUndefined();
    const two = { ...request('lease', { two: 1, three: 1 }), onMissing: { slots: 1 }, limitIds: ['2', '3'] };
    expect(refusalOf(acquire('S', two))).toMatchObject({ code: 'QUEUE_FULL', details: { max: 2, bound: 'limits' } });
    expect(engine.state.limits.size).toBe(1);
    expect(set('two')).toBeUndefined();
    expect(set('three')).toMatchObject({ code: 'QUEUE_FULL', details: { max: 2, bound: 'limits' } });
    expect(set('two', { slots: 5 })).toBeUndefined();
  });

  it('any limit, where clients may create none', () => {
    const { set, open, acquire } = setUp({ creates: false });
    open('S');
    const refusal = { code: 'LIMIT_NOT_FOUND', details: { names: ['db'], creates: false } };
    expect(set('db')).toMatchObject(refusal);
    const asked = { ...request('lease', { db: 1 }), onMissing: { slots: 1 }, limitIds: ['1'] };
    expect(refusalOf(acquire('S', asked))).toMatchObject(refusal);
  });

  it('one waiter of a session more than there may be', () => {
    const { acquire } = bounded();
    acquire('S', request('holder', { db: 2 }));
    expect(acquire('S', request('one', { db: 1 }))).toBe('queued');
    expect(acquire('S', request('two', { db: 1 }))).toBe('QUEUE_FULL');
    expect(acquire('T', request('three', { db: 1 }))).toBe('queued');
  });
});

function code({ notices: [notice] }: Step): string | undefined {
  return notice?.type === 'refused' ? notice.refusal.code : notice?.type;
}
