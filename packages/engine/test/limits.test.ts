import { describe, expect, it } from 'vitest';
import type { Command, LimitPatch } from '../src/index.ts';
import { grants, NOBODY, request, Scene, told } from './scene.ts';

describe('a limit', () => {
  it('is created by `set` and `ensure`; only `set` changes it, and only the fields given', () => {
    const scene = new Scene();
    const ensure = (slots: number) => scene.do({ type: 'limit.ensure', name: 'db', id: 'id', patch: { slots } });
    expect(ensure(4).facts).toHaveLength(1);
    expect(ensure(9).facts).toEqual([]);
    scene.limit('db', { description: 'the database' });
    expect(scene.engine.limitView('db')).toMatchObject({
      slots: 4,
      active: true,
      mode: 'open',
      overtakes: 16,
      maxWaiters: null,
      description: 'the database',
    });
  });

  it('that is set to what it is writes nothing', () => {
    const scene = new Scene({ db: 4 });
    expect(scene.do({ type: 'limit.set', name: 'db', id: 'other', patch: { slots: 4 } }).facts).toEqual([]);
  });

  it('keeps its id as it changes', () => {
    const scene = new Scene({ db: 4 });
    scene.do({ type: 'limit.set', name: 'db', id: 'other', patch: { slots: 5 } });
    expect(scene.engine.state.limits.get('db')?.id).toBe('id of db');
  });

  it('wakes as many waiters as fit when it is raised', () => {
    const scene = new Scene({ db: 1 });
    for (const lease of ['a', 'b', 'c', 'd']) scene.acquire(lease, { db: 1 });
    expect(grants(scene.do({ type: 'limit.set', name: 'db', id: '', patch: { slots: 3 } }))).toEqual(['b', 'c']);
  });

  it('drains by itself when it is lowered: nothing is granted until it fits', () => {
    const scene = new Scene({ db: 2 });
    for (const lease of ['a', 'b', 'c']) scene.acquire(lease, { db: 1 });
    scene.limit('db', { slots: 1 });
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 2, free: 0 });
    expect(grants(scene.release('a'))).toEqual([]);
    expect(grants(scene.release('b'))).toEqual(['c']);
  });

  it('case 9: refuses those who wait for more than it has left when it is lowered', () => {
    const scene = new Scene({ db: 3, gpu: 1 });
    scene.acquire('holder', { db: 2 });
    scene.acquire('big', { gpu: 1, db: 3 });
    scene.acquire('behind', { gpu: 1 });
    scene.acquire('small', { db: 2 });
    scene.limit('db', { slots: 2 });
    expect(scene.refusal('big').code).toBe('REQUEST_TOO_LARGE');
    expect(scene.waiting()).toEqual(['small']);
  });

  it('of no slots lets nobody in', () => {
    const scene = new Scene({ db: 0 });
    expect(scene.acquire('lease', { db: 1 })).toBe('REQUEST_TOO_LARGE');
  });

  it('bounds those who wait for it by `maxWaiters`, not those who are granted at once', () => {
    const scene = new Scene({ db: 1 });
    scene.limit('db', { maxWaiters: 1 });
    expect(scene.acquire('holder', { db: 1 })).toBe('granted');
    expect(scene.acquire('waiter', { db: 1 })).toBe('queued');
    expect(scene.acquire('too many', { db: 1 })).toBe('QUEUE_FULL');
  });
});

describe('a limit that is switched off', () => {
  it('limits nothing, counts and warns', () => {
    const scene = new Scene({ db: 1 });
    scene.limit('db', { active: false });
    expect(scene.acquire('one', { db: 1 })).toBe('granted');
    expect(scene.acquire('more than it has', { db: 5 })).toBe('granted');
    expect(scene.warnings('one')).toEqual(['LIMIT_INACTIVE db']);
    expect(scene.engine.limitView('db')?.taken).toBe(6);
  });

  it('is left out of the grant where the caller wants that', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.limit('db', { active: false });
    scene.acquire('one', { db: 1, gpu: 1 }, { skipInactive: true });
    expect(scene.holding('db')).toEqual([]);
    expect(scene.holding('gpu')).toEqual(['one']);
    expect(scene.warnings('one')).toEqual([]);
  });

  it('grants those who waited for it, with the warning', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('waiter', { db: 1 });
    scene.limit('db', { active: false });
    expect(scene.holding()).toEqual(['holder', 'waiter']);
    expect(scene.warnings('waiter')).toEqual(['LIMIT_INACTIVE db']);
  });

  it('still counts what was taken when it is switched on: nothing is granted until it fits', () => {
    const scene = new Scene({ db: 1 });
    scene.limit('db', { active: false });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 1 });
    scene.limit('db', { active: true });
    expect(scene.acquire('three', { db: 1 })).toBe('queued');
    expect(grants(scene.release('one'))).toEqual([]);
    expect(grants(scene.release('two'))).toEqual(['three']);
    expect(scene.warnings('three')).toEqual([]);
  });
});

describe('a limit that is paused', () => {
  it('keeps its holders and queues everybody else', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('holder', { db: 1 });
    scene.limit('db', { mode: 'paused' });
    expect(scene.holding()).toEqual(['holder']);
    expect(scene.acquire('waiter', { db: 1 })).toBe('queued');
    expect(scene.acquire('try', { db: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    scene.limit('db', { mode: 'open' });
    expect(scene.holding()).toEqual(['holder', 'waiter']);
  });

  it('is no reason to reserve: its waiters hold nobody up elsewhere', () => {
    const scene = new Scene({ db: 2, gpu: 2 });
    scene.acquire('gpu holder', { gpu: 1 });
    scene.acquire('both', { db: 1, gpu: 2 });
    expect(scene.acquire('behind', { gpu: 1 })).toBe('queued');
    scene.limit('db', { mode: 'paused' });
    expect(scene.holding()).toEqual(['gpu holder', 'behind']);
    expect(scene.waiting()).toEqual(['both']);
  });
});

describe('a limit that is drained', () => {
  it('refuses those who wait and those who come, until it is opened again', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('waiter', { db: 1 });
    scene.limit('db', { mode: 'draining' });
    expect(scene.refusal('waiter').code).toBe('CONFLICT');
    expect(scene.acquire('late', { db: 1 })).toBe('CONFLICT');
    expect(scene.holding()).toEqual(['holder']);
    scene.release('holder');
    scene.limit('db', { mode: 'open' });
    expect(scene.acquire('again', { db: 1 })).toBe('granted');
  });
});

describe('a limit that is deleted', () => {
  it('stays while it has holders, unless that is forced: then they are told', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('holder', { db: 1, gpu: 1 });
    expect(scene.do({ type: 'limit.delete', name: 'db', force: false }).refusal?.code).toBe('CONFLICT');
    const step = scene.do({ type: 'limit.delete', name: 'db', force: true });
    expect(told(step, 'holder')).toBe('LEASE_REVOKED');
    expect(step.facts.map(({ type }) => type)).toEqual(['lease.revoked', 'limit.deleted']);
    expect(scene.engine.limitView('gpu')?.taken).toBe(0);
  });

  it('refuses those who wait for it', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('waiter', { db: 1 });
    scene.do({ type: 'limit.delete', name: 'db', force: true });
    expect(scene.refusal('waiter').code).toBe('LIMIT_NOT_FOUND');
  });

  it('is done without by those who allow it to be missing, at their places', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('db held', { db: 1 });
    scene.acquire('gpu held', { gpu: 1 });
    scene.acquire('both', { db: 1, gpu: 1 }, { onMissing: 'allow' });
    scene.acquire('behind', { gpu: 1 });
    scene.do({ type: 'limit.delete', name: 'db', force: true });
    expect(scene.waiting('gpu')).toEqual(['both', 'behind']);
    expect(grants(scene.release('gpu held'))).toEqual(['both']);
    expect(scene.warnings('both')).toEqual(['LIMIT_MISSING db']);
  });

  it('does not let more pass those who do without it than before', () => {
    const scene = new Scene({ a: 1, b: 1, c: 1 });
    scene.limit('c', { overtakes: 1 });
    scene.acquire('b held', { b: 1 });
    scene.acquire('all', { b: 1, a: 1, c: 1 }, { onMissing: 'allow' });
    scene.acquire('passing', { c: 1 });
    scene.release('passing');
    scene.do({ type: 'limit.delete', name: 'a', force: false });
    expect(scene.acquire('late', { c: 1 })).toBe('queued');
  });

  it('leaves nothing of a client that goes away meanwhile', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('held', { db: 1 }, { session: 'T' });
    scene.acquire('allows', { db: 2 }, { session: 'T', onMissing: 'allow' });
    scene.acquire('does not', { db: 1 }, { session: 'T' });
    scene.lose('T');
    scene.do({ type: 'limit.delete', name: 'db', force: true });
    scene.sleep(4000);
    expect(scene.waiting()).toEqual([]);
  });

  it('that does not exist is LIMIT_NOT_FOUND', () => {
    const scene = new Scene();
    expect(scene.do({ type: 'limit.delete', name: 'db', force: true }).refusal?.code).toBe('LIMIT_NOT_FOUND');
  });
});

describe('a name that is no limit', () => {
  it('case 9: is an error that spells out each of them, and nothing is held', () => {
    const scene = new Scene({ there: 1 });
    expect(scene.acquire('lease', { there: 1, missing: 1, gone: 1 })).toBe('LIMIT_NOT_FOUND');
    expect(scene.refusal('lease').details).toEqual({ names: ['missing', 'gone'] });
    expect(scene.refusal('lease').message).toContain("'missing', 'gone'");
    expect(scene.holding()).toEqual([]);
  });

  it('is left out with a warning where that is allowed', () => {
    const scene = new Scene({ there: 1 });
    expect(scene.acquire('lease', { there: 1, missing: 1 }, { onMissing: 'allow' })).toBe('granted');
    expect(scene.warnings('lease')).toEqual(['LIMIT_MISSING missing']);
    expect(scene.holding('there')).toEqual(['lease']);
  });

  it('leaves a lease on nothing if all are left out, which is released like any other', () => {
    const scene = new Scene();
    expect(scene.acquire('lease', { missing: 1 }, { onMissing: 'allow' })).toBe('granted');
    expect(scene.holding()).toEqual(['lease']);
    scene.release('lease');
    expect(scene.holding()).toEqual([]);
  });

  it('is created where that is asked for', () => {
    const scene = new Scene({ there: 1 });
    const create = { onMissing: { slots: 3 }, limitIds: ['id-1', 'id-2', 'id-3'] };
    expect(scene.acquire('lease', { one: 1, there: 1, two: 3 }, create)).toBe('granted');
    expect(scene.engine.state.limits.get('one')).toMatchObject({ id: 'id-1', usage: { held: 1 } });
    expect(scene.engine.state.limits.get('two')).toMatchObject({ id: 'id-2', usage: { held: 3 } });
  });

  it('is not created for an acquire that is refused', () => {
    const scene = new Scene();
    const create = { onMissing: { slots: 3 }, limitIds: ['id-1'] };
    expect(scene.acquire('lease', { one: 4 }, create)).toBe('REQUEST_TOO_LARGE');
    expect(scene.engine.state.limits.size).toBe(0);
  });

  it('has no id to spare: `set` and `ensure` need slots to create a limit', () => {
    expect(new Scene().limit('db', { active: false })?.code).toBe('INVALID_REQUEST');
  });
});

describe("a limit's reset", () => {
  const grant = (lease: string) => ({
    leaseId: lease,
    sessionId: `session of ${lease}`,
    ttlMs: 60_000,
    holder: NOBODY,
  });

  it('revokes every lease on it, then grants a slot to each that is named', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('old', { db: 2 });
    const step = scene.do({ type: 'limit.reset', name: 'db', grants: [grant('one'), grant('two')] });
    expect(told(step, 'old')).toBe('LEASE_REVOKED');
    expect(scene.holding('db')).toEqual(['one', 'two']);
  });

  it("gives each lease the session it was told, which comes through Prefect's door", () => {
    const scene = new Scene({ db: 1 });
    scene.do({ type: 'limit.reset', name: 'db', grants: [grant('one')] });
    const lease = scene.engine.state.leases.get('one');
    expect(lease).toMatchObject({ sessionId: 'session of one', lifeline: 'renewal', origin: 'prefect-tag' });
    scene.restart();
    scene.do({ type: 'renew', leaseId: 'one', ttlMs: 60_000 });
    expect(scene.engine.state.leases.get('one')).toMatchObject({ origin: 'prefect-tag', renewed: true });
  });

  it('to more than it has is refused, and nothing is revoked', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('old', { db: 1 });
    const step = scene.do({ type: 'limit.reset', name: 'db', grants: [grant('one'), grant('two')] });
    expect(step.refusal?.code).toBe('REQUEST_TOO_LARGE');
    expect(scene.holding('db')).toEqual(['old']);
  });

  it('to fewer lets those who wait go on', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('old', { db: 2 });
    scene.acquire('waiter', { db: 1 });
    scene.do({ type: 'limit.reset', name: 'db', grants: [grant('one')] });
    expect(scene.holding('db')).toEqual(['one', 'waiter']);
  });
});

describe('a resize while a client is away', () => {
  it('refuses it as it comes back with more than the limit has', () => {
    const scene = new Scene({ db: 3 });
    scene.open('T');
    scene.acquire('holder', { db: 1 });
    scene.acquire('big', { db: 3 }, { session: 'T' });
    scene.lose('T');
    scene.limit('db', { slots: 2 });
    const step = scene.open('T', { waits: [request('big', { db: 3 }, { place: scene.place('big') })] });
    expect(told(step, 'big')).toBe('REQUEST_TOO_LARGE');
  });
});

describe('who asked for a change', () => {
  const by = { key: 'ci', address: '10.0.0.7' };
  const askers = (scene: Scene, command: Command) =>
    scene.do(command).facts.flatMap((fact) => ('by' in fact ? [[fact.type, fact.by]] : []));

  it('stands in the facts of all that is changed by hand, revoked leases included', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    const set = (patch: LimitPatch): Command => ({ type: 'limit.set', name: 'db', id: '', patch, by });
    expect(askers(scene, { type: 'limit.ensure', name: 'gpu', id: 'g', patch: { slots: 1 }, by })).toEqual([
      ['limit.set', by],
    ]);
    expect(askers(scene, set({ mode: 'paused' }))).toEqual([['limit.set', by]]);
    expect(askers(scene, { type: 'untracked.set', name: 'db', slots: 2, by })).toEqual([['untracked.set', by]]);
    expect(askers(scene, { type: 'limit.reset', name: 'db', grants: [], by })).toEqual([
      ['lease.revoked', by],
      ['untracked.set', by],
    ]);
    expect(askers(scene, { type: 'limit.rename', name: 'gpu', to: 'gpus', by })).toEqual([['limit.renamed', by]]);
    expect(askers(scene, set({ mode: 'open' }))).toEqual([['limit.set', by]]);
    scene.acquire('two', { db: 1 });
    expect(askers(scene, { type: 'limit.delete', name: 'db', force: true, by })).toEqual([
      ['lease.revoked', by],
      ['limit.deleted', by],
    ]);
  });

  it('is not the one of the step before', () => {
    const scene = new Scene();
    scene.do({ type: 'limit.ensure', name: 'db', id: 'd', patch: { slots: 1 }, by });
    expect(askers(scene, { type: 'limit.set', name: 'db', id: '', patch: { slots: 2 } })).toEqual([
      ['limit.set', null],
    ]);
  });

  it('is the one whose acquire creates a limit', () => {
    const scene = new Scene();
    const asked = request('a', { db: 1 }, { onMissing: { slots: 1 }, limitIds: ['d'] });
    expect(askers(scene, { type: 'acquire', sessionId: 'S', request: asked, by })).toEqual([['limit.set', by]]);
  });
});
