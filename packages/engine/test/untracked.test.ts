/** Slots that are taken without a lease, as by Prefect's bare increment and its `active_slots`. */
import { describe, expect, it } from 'vitest';
import { hold, rate, spend, times } from './rate-scene.ts';
import { grants, Scene } from './scene.ts';

describe('slots that are taken without a lease', () => {
  const left = (scene: Scene, lease: string) =>
    scene.do({ type: 'release', leaseId: lease, token: scene.token(lease), how: 'untracked' });
  const giveBack = (scene: Scene, amounts: Record<string, number>) =>
    scene.do({ type: 'untracked.return', amounts: Object.entries(amounts) });

  it('of a semaphore stay taken as their lease is over, until they are returned', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 1 });
    left(scene, 'one');
    expect(scene.holding()).toEqual(['two']);
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 2, free: 0, holders: 1 });
    scene.acquire('waiter', { db: 1 });
    expect(grants(giveBack(scene, { db: 1 }))).toEqual(['waiter']);
  });

  it('are returned as far as there are any: never what leases hold', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('held', { db: 1 });
    scene.acquire('one', { db: 2 });
    left(scene, 'one');
    giveBack(scene, { db: 9, nowhere: 1 });
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1, free: 2 });
    expect(giveBack(scene, { nowhere: 1 }).facts).toEqual([]);
  });

  it('of a rate decay as others do', () => {
    const scene = rate(2, 1);
    hold(scene, 'held', 2);
    left(scene, 'held');
    scene.sleep(1500);
    expect(scene.engine.limitView('r', scene.nowMs)).toMatchObject({ taken: 1, holders: 0 });
    giveBack(scene, { r: 1 });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 0, free: 2 });
  });

  it('are set by `untracked.set`: as many count as taken, or as many as leases hold', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('held', { db: 1 });
    const occupy = (slots: number) => scene.do({ type: 'untracked.set', name: 'db', slots });
    occupy(3);
    scene.acquire('waiter', { db: 1 });
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 3, free: 0 });
    expect(grants(occupy(2))).toEqual(['waiter']);
    occupy(0);
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 2, free: 1, holders: 2 });
    expect(scene.do({ type: 'untracked.set', name: 'nowhere', slots: 1 }).refusal?.code).toBe('LIMIT_NOT_FOUND');
  });

  it('may be more than the limit has: nobody is granted until it fits', () => {
    const scene = new Scene({ db: 1 });
    scene.do({ type: 'untracked.set', name: 'db', slots: 3 });
    scene.acquire('waiter', { db: 1 });
    expect(grants(giveBack(scene, { db: 2 }))).toEqual([]);
    expect(grants(giveBack(scene, { db: 1 }))).toEqual(['waiter']);
  });

  it('set of a rate decay from then on', () => {
    const scene = rate(4, 1);
    const fromMs = scene.nowMs;
    scene.do({ type: 'untracked.set', name: 'r', slots: 4 });
    spend(scene, 'waiter', 2);
    scene.sleep(5000);
    expect(times(scene, fromMs).waiter).toBe(2000);
    scene.do({ type: 'untracked.set', name: 'r', slots: 0 });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 0 });
  });

  it('are freed by a reset, of a rate too', () => {
    const scene = rate(2, 0.001, { db: 2 });
    spend(scene, 'spent', 2);
    scene.acquire('one', { db: 2 });
    left(scene, 'one');
    for (const name of ['db', 'r']) {
      scene.do({ type: 'limit.reset', name, grants: [] });
      expect(scene.engine.limitView(name)).toMatchObject({ taken: 0, free: 2 });
    }
  });

  it('stay taken over a restart', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    left(scene, 'one');
    scene.restart();
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1, free: 1, holders: 0 });
  });
});
