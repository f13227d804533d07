/** What a lease has to do with the rates that it took of. */
import { describe, expect, it } from 'vitest';
import type { NewLimit } from '../src/index.ts';
import { hold, rate, spend, ticks, times } from './rate-scene.ts';
import { grants, NOBODY, request, Scene } from './scene.ts';

describe('a lease that holds slots of a rate, as on Prefect’s API', () => {
  it('gives them back as it is released', () => {
    const scene = rate(2, 0.001);
    hold(scene, 'held', 2);
    spend(scene, 'waiter');
    expect(grants(scene.release('held'))).toEqual(['waiter']);
  });

  it('gives back no more than has not decayed, and what others hold stays', () => {
    const scene = rate(4, 1);
    hold(scene, 'one', 2);
    hold(scene, 'two', 2);
    scene.sleep(1500);
    scene.release('one');
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 2, free: 2, holders: 1 });
    scene.release('two');
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 0, free: 4 });
  });

  it('is what a reset grants', () => {
    const scene = rate(2, 0.001);
    spend(scene, 'spent', 2);
    const held = { leaseId: 'held', sessionId: 'session of held', ttlMs: null, holder: NOBODY };
    scene.do({ type: 'limit.reset', name: 'r', grants: [held] });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 1, free: 1, holders: 1 });
    scene.release('held');
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 0, free: 2 });
  });

  it('that has lapsed is ended by who needs its slots, the oldest first and no more than that', () => {
    const scene = rate(3, 0.001);
    for (const session of ['one', 'two', 'three']) {
      const waits = [request(session, { r: 1 }, { refunds: true })];
      scene.open(session, { lifeline: 'renewal', ttlMs: 2000, waits });
    }
    scene.sleep(2000);
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 3, free: 3 });
    expect(spend(scene, 'spent', 2)).toBe('granted');
    expect(scene.holding('r')).toEqual(['three']);
    expect(scene.do({ type: 'renew', leaseId: 'two', ttlMs: 2000 }).refusal?.code).toBe('LEASE_LOST');
    expect(scene.do({ type: 'renew', leaseId: 'three', ttlMs: 2000 }).refusal).toBeUndefined();
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 3, free: 0 });
  });

  it('that has lapsed keeps nobody waiting, however much of it has decayed', () => {
    const scene = rate(4, 1);
    const waits = [request('lapsing', { r: 3 }, { refunds: true })];
    scene.open('T', { lifeline: 'renewal', ttlMs: 1000, waits });
    hold(scene, 'held');
    const fromMs = scene.nowMs;
    spend(scene, 'big', 4);
    // Two of its three slots have decayed as it ends at 2 s; the one that is held for good decays last.
    expect(ticks(scene, 10_000)).toBeLessThanOrEqual(5);
    expect(times(scene, fromMs).big).toBe(3000);
    expect(scene.holding('r')).toEqual(['held']);
  });
});

describe('a grant that is cancelled', () => {
  it('gives back what it spent', () => {
    const scene = rate(1, 0.001);
    scene.acquire('cancelled', { r: 1 });
    scene.acquire('waiter', { r: 1 });
    expect(grants(scene.cancel('cancelled'))).toEqual(['waiter']);
  });

  it('gives back nothing of what may have been granted again meanwhile', () => {
    const scene = rate(1, 1);
    scene.acquire('cancelled', { r: 1 });
    scene.sleep(1000);
    expect(scene.acquire('second', { r: 1 })).toBe('granted');
    scene.cancel('cancelled');
    expect(scene.acquire('third', { r: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
  });

  it.each([
    { what: 'deleted', change: (scene: Scene) => scene.do({ type: 'limit.delete', name: 'r', force: true }) },
    {
      what: 'deleted and made again',
      change: (scene: Scene) => {
        scene.do({ type: 'limit.delete', name: 'r', force: true });
        scene.limit('r', { slots: 1, slotDecayPerSecond: 1 });
        scene.acquire('second', { r: 1 });
      },
    },
    {
      what: 'a semaphore and a rate again',
      change: (scene: Scene) => {
        scene.limit('r', { slotDecayPerSecond: null });
        scene.limit('r', { slotDecayPerSecond: 1 });
        scene.acquire('second', { r: 1 });
      },
    },
  ])('gives back nothing to a limit that is $what', ({ change }) => {
    const scene = rate(1, 1);
    scene.acquire('cancelled', { r: 1 });
    change(scene);
    const before = scene.engine.limitView('r');
    scene.cancel('cancelled');
    expect(scene.engine.limitView('r')).toEqual(before);
  });

  it('gives back what it spent to the limit that it took it of, whatever its name is now', () => {
    const scene = rate(1, 0.001);
    scene.acquire('cancelled', { r: 1 });
    scene.do({ type: 'limit.rename', name: 'r', to: 'q' });
    scene.limit('r', { slots: 1, slotDecayPerSecond: 0.001 });
    spend(scene, 'stranger');
    scene.cancel('cancelled');
    expect(scene.engine.limitView('q')).toMatchObject({ taken: 0 });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 1 });
  });

  it('gives back what it holds and what it spent', () => {
    const scene = rate(1, 0.001, { db: 1 });
    scene.acquire('cancelled', { db: 1, r: 1 });
    scene.cancel('cancelled');
    expect(scene.engine.limitView('db')).toMatchObject({ free: 1 });
    expect(scene.engine.limitView('r')).toMatchObject({ free: 1 });
  });
});

describe('an acquire of rates only', () => {
  it('is refused if it names a semaphore, and names it', () => {
    const scene = rate(1, 1, { db: 1 });
    expect(scene.acquire('lease', { r: 1, db: 1 }, { ratesOnly: true })).toBe('INVALID_REQUEST');
    expect(scene.refusal('lease').details).toMatchObject({ names: ['db'], field: 'limits' });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 0 });
  });

  it('is refused while it waits, as its limit becomes a semaphore', () => {
    const scene = rate(1, 1);
    spend(scene, 'first');
    spend(scene, 'waiter');
    scene.acquire('other', { r: 1 });
    scene.limit('r', { slotDecayPerSecond: null });
    expect(scene.refusal('waiter').code).toBe('INVALID_REQUEST');
    expect(scene.holding()).toEqual(['other']);
  });

  it('is refused if it would create a semaphore', () => {
    const scene = new Scene();
    const create = (onMissing: NewLimit) => ({ onMissing, limitIds: ['id'], ratesOnly: true });
    expect(scene.acquire('lease', { r: 1 }, create({ slots: 1 }))).toBe('INVALID_REQUEST');
    expect(scene.engine.limitView('r')).toBeUndefined();
    expect(scene.acquire('lease', { r: 1 }, create({ slots: 1, slotDecayPerSecond: 1 }))).toBe('granted');
  });
});
