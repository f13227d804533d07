/** Rates that are changed, and limits that become another kind. */
import { describe, expect, it } from 'vitest';
import type { LimitPatch } from '../src/index.ts';
import { hold, rate, spend, times } from './rate-scene.ts';
import { told } from './scene.ts';

describe('a rate that is changed while somebody waits', () => {
  /** One slot is spent at 0, one waits, and at 500 the limit is changed. */
  const changed = (patch: LimitPatch) => {
    const scene = rate(1, 1);
    const fromMs = scene.nowMs;
    spend(scene, 'first');
    scene.acquire('waiter', { r: 1 });
    scene.sleep(500);
    scene.limit('r', patch);
    const grantedAfterMs = (ms: number) => {
      scene.sleep(ms);
      return times(scene, fromMs).waiter;
    };
    return { scene, grantedAfterMs };
  };

  it.each([
    { what: 'decays faster', patch: { slotDecayPerSecond: 2 }, atMs: 750 },
    { what: 'decays more slowly', patch: { slotDecayPerSecond: 0.5 }, atMs: 1500 },
    { what: 'is raised', patch: { slots: 2 }, atMs: 500 },
    { what: 'is switched off', patch: { active: false }, atMs: 500 },
    { what: 'becomes a semaphore, which forgets what is spent', patch: { slotDecayPerSecond: null }, atMs: 500 },
    { what: 'gets another description', patch: { description: 'emails' }, atMs: 1000 },
  ])('that $what serves it after $atMs ms', ({ patch, atMs }) => {
    expect(changed(patch).grantedAfterMs(5000)).toBe(atMs);
  });

  it('that is paused serves nobody and wakes nobody, and goes on decaying', () => {
    const { scene, grantedAfterMs } = changed({ mode: 'paused' });
    expect(scene.engine.wakeAtMs).toBeNull();
    expect(grantedAfterMs(2000)).toBeUndefined();
    scene.limit('r', { mode: 'open' });
    expect(grantedAfterMs(0)).toBe(2500);
  });

  it('that is lowered lets nobody in until as much has decayed', () => {
    const scene = rate(10, 1);
    const fromMs = scene.nowMs;
    spend(scene, 'all', 10);
    scene.limit('r', { slots: 2 });
    spend(scene, 'waiter', 2);
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 10, free: 0 });
    scene.sleep(20_000);
    expect(times(scene, fromMs).waiter).toBe(10_000);
  });

  it('that is lowered below what a waiter wants refuses it', () => {
    const scene = rate(3, 1);
    spend(scene, 'all', 3);
    spend(scene, 'big', 3);
    scene.limit('r', { slots: 2 });
    expect(scene.refusal('big').code).toBe('REQUEST_TOO_LARGE');
    expect(scene.engine.wakeAtMs).toBeNull();
  });

  it('that is deleted or renamed refuses it and wakes nobody', () => {
    for (const command of [
      { type: 'limit.delete' as const, name: 'r', force: false },
      { type: 'limit.rename' as const, name: 'r', to: 'q' },
    ]) {
      const { scene } = changed({});
      scene.do(command);
      expect(scene.refusal('waiter').code).toBe('LIMIT_NOT_FOUND');
      expect(scene.engine.wakeAtMs).toBeNull();
    }
  });

  it('that is switched off counts on: switched on again, what was taken meanwhile is to decay first', () => {
    const scene = rate(1, 1);
    scene.limit('r', { active: false });
    for (const lease of ['one', 'two', 'three']) expect(spend(scene, lease)).toBe('granted');
    expect(scene.warnings('three')).toEqual(['LIMIT_INACTIVE r']);
    scene.limit('r', { active: true });
    const fromMs = scene.nowMs;
    spend(scene, 'waiter');
    scene.sleep(5000);
    expect(times(scene, fromMs).waiter).toBe(3000);
  });
});

describe('a limit that becomes another kind', () => {
  it('as a rate lets decay what leases hold, and gets no more back from them than is left', () => {
    const scene = rate(3, 1);
    scene.limit('db', { slots: 3 });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 2 });
    scene.limit('db', { slotDecayPerSecond: 1 });
    scene.sleep(500);
    expect(scene.acquire('waiter', { db: 1 })).toBe('queued');
    expect(told({ notices: scene.sleep(500) }, 'waiter')).toBe('granted');
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 3, holders: 2 });
    scene.release('two');
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1, free: 2, holders: 1 });
    scene.sleep(1000);
    scene.release('one');
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 0, free: 3, holders: 0 });
  });

  it('as a semaphore keeps what leases hold, whole again, and forgets what was spent', () => {
    const scene = rate(3, 1);
    hold(scene, 'held', 2);
    spend(scene, 'spent');
    scene.sleep(1500);
    scene.limit('r', { slotDecayPerSecond: null });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 2, free: 1, holders: 1 });
    scene.sleep(60_000);
    expect(scene.engine.limitView('r', scene.nowMs)).toMatchObject({ taken: 2 });
    scene.release('held');
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 0, free: 3 });
  });
});
