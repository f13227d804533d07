import { describe, expect, it } from 'vitest';
import { grants, request, Scene, told } from './scene.ts';

describe('waiting for one limit', () => {
  it('grants in the order of arrival', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('first', { db: 1 });
    expect(scene.acquire('second', { db: 1 })).toBe('queued');
    expect(scene.acquire('third', { db: 1 })).toBe('queued');
    expect(grants(scene.release('first'))).toEqual(['second']);
    expect(grants(scene.release('second'))).toEqual(['third']);
  });

  it('keeps room for a big request until it fits', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('small', { db: 1 });
    scene.acquire('other', { db: 1 });
    expect(scene.acquire('big', { db: 3 })).toBe('queued');
    expect(scene.acquire('late', { db: 1 })).toBe('queued');
    expect(grants(scene.release('small'))).toEqual([]);
    expect(grants(scene.release('other'))).toEqual(['big']);
    expect(grants(scene.release('big'))).toEqual(['late']);
  });

  it('grants all that fit in one step, in their order', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('big', { db: 3 });
    for (const lease of ['a', 'b', 'c', 'd']) scene.acquire(lease, { db: 1 });
    expect(grants(scene.release('big'))).toEqual(['a', 'b', 'c']);
  });

  it('lets those behind go on when the one before them cancels', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('big', { db: 3 });
    scene.acquire('small', { db: 2 });
    expect(grants(scene.cancel('big'))).toEqual(['small']);
  });

  it('lets one between two that ask for the same go on when the first of these cancels', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('big', { db: 3 });
    scene.acquire('small', { db: 2 });
    scene.acquire('as big', { db: 3 });
    expect(grants(scene.cancel('big'))).toEqual(['small']);
  });

  it('lets those behind go on when the one before them times out', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('big', { db: 3 }, { timeoutMs: 500 });
    scene.acquire('small', { db: 2 });
    const said = scene.sleep(500);
    expect(told({ notices: said }, 'big')).toBe('ACQUIRE_TIMEOUT');
    expect(told({ notices: said }, 'small')).toBe('granted');
  });

  it('grants one that fits once the one before it has timed out, though its own time is over in that moment too', () => {
    const scene = new Scene({ db: 3 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('big', { db: 3 }, { timeoutMs: 500 });
    scene.acquire('small', { db: 2 }, { timeoutMs: 500 });
    const said = scene.sleep(500);
    expect(told({ notices: said }, 'big')).toBe('ACQUIRE_TIMEOUT');
    expect(told({ notices: said }, 'small')).toBe('granted');
  });

  it('asks to be woken at the first timeout, and acts on none before', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('patient', { db: 1 }, { timeoutMs: 900 });
    scene.acquire('hasty', { db: 1 }, { timeoutMs: 300 });
    expect(scene.engine.wakeAtMs).toBe(scene.nowMs + 300);
    scene.sleep(299);
    expect(scene.waiting()).toEqual(['patient', 'hasty']);
    scene.sleep(1);
    expect(scene.waiting()).toEqual(['patient']);
  });
});

describe('waiting for several limits', () => {
  it('takes all of them or none', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('holder', { gpu: 1 });
    expect(scene.acquire('both', { db: 1, gpu: 1 })).toBe('queued');
    expect(scene.engine.limitView('db')?.taken).toBe(0);
    expect(grants(scene.release('holder'))).toEqual(['both']);
    expect(scene.engine.limitView('db')?.taken).toBe(1);
  });

  it('lets others pass on the limits that it does not wait for', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('holder', { gpu: 1 });
    scene.acquire('both', { db: 1, gpu: 1 });
    expect(scene.acquire('passing', { db: 1 })).toBe('granted');
    expect(scene.acquire('behind', { gpu: 1 })).toBe('queued');
  });

  it('never holds up two waiters by each other', () => {
    const scene = new Scene({ a: 1, b: 1 });
    scene.acquire('a held', { a: 1 });
    scene.acquire('b held', { b: 1 });
    scene.acquire('ab', { a: 1, b: 1 });
    scene.acquire('ba', { b: 1, a: 1 });
    scene.release('b held');
    expect(grants(scene.release('a held'))).toEqual(['ab']);
    expect(grants(scene.release('ab'))).toEqual(['ba']);
  });

  it('stays parked where it is while that still lacks', () => {
    const scene = new Scene({ a: 1, b: 1 });
    scene.acquire('b held', { b: 1 });
    scene.acquire('both', { a: 1, b: 1 });
    scene.acquire('a held', { a: 1 });
    expect(scene.engine.waiters(null)[0]?.blockedOn).toBe('b');
    scene.release('b held');
    expect(scene.engine.waiters(null)[0]?.blockedOn).toBe('a');
  });
});

describe('overtaking', () => {
  /** `both` waits for `a`; others pass it on `b`, one after the other. */
  function overtaken(overtakes: number): Scene {
    const scene = new Scene({ a: 1, b: 1 });
    scene.limit('b', { overtakes });
    scene.acquire('a held', { a: 1 });
    scene.acquire('both', { a: 1, b: 1 });
    return scene;
  }

  it('ends when a limit has made its `overtakes` grants: then the first in line reserves there too', () => {
    const scene = overtaken(3);
    for (const lease of ['one', 'two', 'three']) {
      expect(scene.acquire(lease, { b: 1 })).toBe('granted');
      scene.release(lease);
    }
    expect(scene.acquire('four', { b: 1 })).toBe('queued');
    expect(grants(scene.release('a held'))).toEqual(['both']);
  });

  it('is not allowed at all with `overtakes: 0`', () => {
    expect(overtaken(0).acquire('one', { b: 1 })).toBe('queued');
  });

  it('reserves the amount that it asks for, not the whole limit', () => {
    const scene = overtaken(0);
    scene.limit('b', { slots: 3 });
    expect(scene.acquire('one', { b: 2 })).toBe('granted');
    expect(scene.acquire('two', { b: 1 })).toBe('queued');
  });

  it('is bounded for the first of a limit only', () => {
    const scene = new Scene({ a: 1, b: 2 });
    scene.limit('b', { overtakes: 0 });
    scene.acquire('a held', { a: 1 });
    scene.acquire('alone', { a: 1 });
    scene.acquire('both', { a: 1, b: 2 });
    expect(scene.acquire('passing', { b: 2 })).toBe('granted');
    scene.release('passing');
    scene.cancel('alone');
    expect(scene.acquire('late', { b: 1 })).toBe('queued');
  });

  it('is allowed again to those who come after its client came back', () => {
    const scene = new Scene({ a: 1, b: 1 });
    scene.limit('b', { overtakes: 1 });
    scene.open('T');
    scene.acquire('a held', { a: 1 });
    scene.acquire('both', { a: 1, b: 1 }, { session: 'T' });
    scene.acquire('one', { b: 1 });
    scene.release('one');
    expect(scene.acquire('blocked', { b: 1 })).toBe('queued');
    expect(grants(scene.lose('T'))).toEqual(['blocked']);
    scene.release('blocked');
    scene.open('T', { waits: [request('both', { a: 1, b: 1 }, { place: scene.place('both') })] });
    expect(scene.acquire('two', { b: 1 })).toBe('granted');
    scene.release('two');
    expect(scene.acquire('three', { b: 1 })).toBe('queued');
  });

  it('stops at once when the setting is lowered to what has passed', () => {
    const scene = overtaken(16);
    scene.acquire('one', { b: 1 });
    scene.acquire('two', { b: 1 });
    scene.limit('b', { overtakes: 1 });
    expect(grants(scene.release('one'))).toEqual([]);
    scene.limit('b', { overtakes: 2 });
    expect(scene.waiting()).toEqual(['both']);
  });
});

describe('priority', () => {
  it('is a head start in seconds over those who wait', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('long before', { db: 1 });
    scene.sleep(3000);
    scene.acquire('just before', { db: 1 });
    scene.sleep(1000);
    scene.acquire('urgent', { db: 1 }, { priority: 2 });
    expect(scene.waiting()).toEqual(['long before', 'urgent', 'just before']);
  });

  it('below 0 steps back behind those who come so much later', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('humble', { db: 1 }, { priority: -2 });
    scene.sleep(1000);
    scene.acquire('later', { db: 1 });
    scene.sleep(2000);
    scene.acquire('too late', { db: 1 });
    expect(scene.waiting()).toEqual(['later', 'humble', 'too late']);
  });

  it('of a newcomer keeps room for it before those who have waited for less', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 1 });
    scene.acquire('waiter', { db: 1 });
    scene.acquire('urgent', { db: 2 }, { priority: 1 });
    expect(grants(scene.release('one'))).toEqual([]);
    expect(grants(scene.release('two'))).toEqual(['urgent']);
  });
});

describe('a try', () => {
  it('is granted when there is room', () => {
    expect(new Scene({ db: 1 }).acquire('try', { db: 1 }, { timeoutMs: 0 })).toBe('granted');
  });

  it('is refused when there is none, and does not stand in the line', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    expect(scene.acquire('try', { db: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    expect(scene.waiting()).toEqual([]);
  });

  it('does not take room that is kept for somebody before it', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('big', { db: 2 });
    expect(scene.acquire('try', { db: 1 }, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    expect(scene.acquire('urgent try', { db: 1 }, { timeoutMs: 0, priority: 1 })).toBe('granted');
  });
});

describe('a waiter whose client is away', () => {
  it('keeps its place, is not granted, and holds nobody up', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('holder', { db: 2 });
    scene.acquire('away', { db: 2 }, { session: 'T' });
    scene.acquire('behind', { db: 1 });
    scene.lose('T');
    expect(grants(scene.release('holder'))).toEqual(['behind']);
    expect(scene.waiting()).toEqual(['away']);
    expect(scene.engine.waiters(null)[0]).toMatchObject({ connected: false, blockedOn: null });
  });

  it('times out like any other', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('holder', { db: 1 });
    scene.acquire('away', { db: 1 }, { session: 'T', timeoutMs: 700 });
    scene.lose('T');
    scene.sleep(700);
    expect(scene.waiting()).toEqual([]);
  });
});
