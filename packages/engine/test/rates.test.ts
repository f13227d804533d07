/** Limits whose slots come back by themselves. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical } from '../src/index.ts';
import { grantsOf, rate, spend, ticks, times, worstExcess } from './rate-scene.ts';
import { grants, request, told } from './scene.ts';

describe('case 8: rate limits run slow, stall or burst', () => {
  it('case 8: of 10 slots that decay by 1 a second 50 clients take 610 in 600 s, in no stretch more than it has and decays', () => {
    const scene = rate(10, 1);
    const fromMs = scene.nowMs;
    let asked = 0;
    const ask = (client: string) => {
      while (spend(scene, `${client} ${asked++}`) === 'granted');
    };
    for (let client = 0; client < 50; client++) ask(`client ${client}`);
    const woken = ticks(scene, 600_000, (step) => {
      for (const lease of grants(step)) {
        scene.release(lease);
        ask(lease.slice(0, lease.lastIndexOf(' ')));
      }
    });
    const granted = grantsOf(scene);
    expect(granted).toHaveLength(610);
    expect(granted.at(-1)?.atMs).toBe(fromMs + 600_000);
    expect(woken).toBe(600);
    expect(worstExcess(granted, 10, 1)).toBeLessThanOrEqual(1e-6);
  });

  it('case 8: trying every half second gains nothing and loses nothing', () => {
    const scene = rate(10, 1);
    const answers: string[] = [];
    for (let i = 0; i <= 1200; i++) {
      answers.push(spend(scene, `try ${i}`, 1, { timeoutMs: 0 }));
      scene.sleep(500);
    }
    expect(answers.filter((answer) => answer === 'granted')).toHaveLength(610);
    expect(answers.slice(0, 19)).toEqual(Array(19).fill('granted'));
    // From then on one of two.
    expect(answers.slice(19).filter((_, i) => i % 2 === 0)).toEqual(Array(591).fill('ACQUIRE_TIMEOUT'));
    expect(worstExcess(grantsOf(scene), 10, 1)).toBeLessThanOrEqual(1e-6);
  });

  it('case 8: at 0.016 a second it is right to a slot after an hour, however often it is tried meanwhile', () => {
    const [tried, left] = [rate(100, 0.016), rate(100, 0.016)];
    for (const scene of [tried, left]) spend(scene, 'all', 100);
    for (let i = 0; i < 7200; i++) {
      tried.sleep(500);
      if (i % 10 === 0) spend(tried, `too much ${i}`, 100, { timeoutMs: 0 });
    }
    left.sleep(3_600_000);
    for (const scene of [tried, left]) {
      expect(scene.engine.limitView('r', scene.nowMs)).toMatchObject({ taken: 43, free: 57 });
    }
  });

  it('case 8: at 0.016 a second waiters of an hour are served to the slot', () => {
    const scene = rate(1, 0.016);
    for (let i = 0; i < 100; i++) spend(scene, `waiter ${i}`);
    ticks(scene, 3_600_000);
    expect(grantsOf(scene)).toHaveLength(1 + 57);
  });

  it('case 8: random traffic is never granted more than the limit and what decays meanwhile', () => {
    const traffic = fc.array(
      fc.record({
        slots: fc.integer({ min: 1, max: 5 }),
        afterMs: fc.constantFrom(0, 1, 10, 300, 333, 500, 1000, 3000),
        timeoutMs: fc.constantFrom(null, 0, 700),
        priority: fc.constantFrom(0, 0, 1, -1),
        /** Gives up what was asked for so many acquires ago. */
        cancel: fc.constantFrom(null, null, 0, 1, 2, 5),
      }),
      { maxLength: 60, size: 'max' },
    );
    const perSecond = fc.constantFrom(0.5, 1, 2, 3, 7, 0.1, 333);
    fc.assert(
      fc.property(perSecond, traffic, (perSecond, list) => {
        const scene = rate(5, perSecond);
        const undone = new Set<string>();
        list.forEach(({ slots, afterMs, timeoutMs, priority, cancel }, i) => {
          scene.acquire(`lease ${i}`, { r: slots }, { timeoutMs, priority });
          ticks(scene, afterMs);
          if (cancel === null) return;
          const lease = `lease ${i - cancel}`;
          if (scene.holding().includes(lease)) undone.add(lease);
          scene.cancel(lease);
        });
        const granted = grantsOf(scene).filter(({ lease }) => !undone.has(lease));
        expect(worstExcess(granted, 5, perSecond)).toBeLessThanOrEqual(1e-6);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the moment at which slots come back', () => {
  it('is the one at which the engine asks to be woken, and a waiter is granted then', () => {
    const scene = rate(2, 1);
    spend(scene, 'both', 2);
    scene.sleep(250);
    expect(scene.acquire('waiter', { r: 1 })).toBe('queued');
    expect(scene.engine.wakeAtMs).toBe(scene.nowMs + 750);
    expect(scene.sleep(749)).toEqual([]);
    expect(told({ notices: scene.sleep(1) }, 'waiter')).toBe('granted');
    expect(scene.engine.wakeAtMs).toBeNull();
  });

  it('is met to the microsecond at any rate, with one wake-up for each grant', () => {
    const perSecond = fc.double({ min: 0.001, max: 1000, noNaN: true });
    fc.assert(
      fc.property(perSecond, (perSecond) => {
        const scene = rate(1, perSecond);
        const fromMs = scene.nowMs;
        for (let i = 0; i <= 20; i++) spend(scene, `waiter ${i}`);
        expect(ticks(scene, (20.5 / perSecond) * 1000)).toBe(20);
        for (const [i, { atMs }] of grantsOf(scene).entries()) {
          const lateMs = atMs - fromMs - (i / perSecond) * 1000;
          expect(Math.abs(lateMs)).toBeLessThan((i + 1) * 0.001);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('is found also at whatever command comes first, if nobody wakes the engine', () => {
    const scene = rate(1, 1);
    spend(scene, 'first');
    scene.acquire('waiter', { r: 1 });
    scene.nowMs += 999;
    expect(grants(scene.alive('S'))).toEqual([]);
    scene.nowMs += 1;
    expect(grants(scene.alive('S'))).toEqual(['waiter']);
  });

  it('comes before the timeout of the same moment', () => {
    const scene = rate(1, 1);
    spend(scene, 'first');
    scene.acquire('in time', { r: 1 }, { timeoutMs: 1000 });
    scene.acquire('late', { r: 1 }, { timeoutMs: 1999 });
    expect(told({ notices: scene.sleep(1000) }, 'in time')).toBe('granted');
    expect(told({ notices: scene.sleep(1000) }, 'late')).toBe('ACQUIRE_TIMEOUT');
  });

  it('never is, for one behind a reservation that leaves too little of the whole: nobody is woken for it', () => {
    const scene = rate(10, 1000, { db: 1 });
    scene.limit('r', { overtakes: 0 });
    scene.acquire('holder', { db: 1 });
    scene.acquire('first', { db: 1, r: 10 });
    expect(scene.acquire('second', { r: 5 })).toBe('queued');
    expect(ticks(scene, 60_000)).toBe(0);
    expect(grants(scene.release('holder'))).toEqual(['first']);
    ticks(scene, 5);
    expect(scene.waiting()).toEqual([]);
  });

  it('is not waited for by 10,000 waiters at once: each tick grants one', () => {
    const scene = rate(1, 100);
    const { engine } = scene;
    for (let i = 0; i <= 10_000; i++) {
      engine.step({ type: 'acquire', sessionId: 'S', request: request(`waiter ${i}`, { r: 1 }) }, scene.nowMs);
    }
    let woken = 0;
    let granted = 0;
    for (let atMs = engine.wakeAtMs; atMs !== null; atMs = engine.wakeAtMs) {
      granted += grants(engine.step({ type: 'tick' }, atMs)).length;
      woken += 1;
    }
    expect([woken, granted]).toEqual([10_000, 10_000]);
    expect(engine.nowMs - scene.nowMs).toBeCloseTo(100_000, 0);
  });
});

describe('the level', () => {
  it('is right to a millionth of a slot after 10,000 charges at random moments', () => {
    const perMs = fc.constantFrom(1, 16, 333, 1000, 7001);
    fc.assert(
      fc.property(perMs, fc.infiniteStream(fc.nat(20_000)), (millionthsPerMs, moments) => {
        const scene = rate(1000, millionthsPerMs / 1000);
        const { engine } = scene;
        let [millionths, nowMs] = [0, scene.nowMs];
        for (let i = 0; i < 10_000; i++) {
          const afterMs = moments.next().value as number;
          nowMs += afterMs;
          millionths = Math.max(0, millionths - millionthsPerMs * afterMs);
          const ask = request(`lease ${i}`, { r: 1 + (afterMs % 20) }, { timeoutMs: 0 });
          const { facts } = engine.step({ type: 'acquire', sessionId: 'S', request: ask }, nowMs);
          if (facts.length > 0) millionths += (1 + (afterMs % 20)) * 1_000_000;
          if (facts.length > 0)
            expect(engine.state.limits.get('r')?.usage.taken).toBeCloseTo(millionths / 1_000_000, 6);
        }
      }),
      { numRuns: 10 },
    );
  });
});

describe('a refusal', () => {
  it('writes nothing and changes nothing', () => {
    const scene = rate(3, 1);
    spend(scene, 'some', 2);
    scene.sleep(333);
    const before = canonical(scene.engine.state);
    expect(spend(scene, 'try', 2, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    expect(spend(scene, 'too much', 4)).toBe('REQUEST_TOO_LARGE');
    expect(canonical(scene.engine.state)).toBe(before);
  });

  it('makes nobody wait longer', () => {
    const list = fc.array(fc.record({ afterMs: fc.nat(700), slots: fc.integer({ min: 1, max: 3 }) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(list, list, (asked, tried) => {
        const live = (tries: typeof tried) => {
          const scene = rate(3, 2);
          const fromMs = scene.nowMs;
          const moments = [
            ...asked.map((moment, i) => ({ ...moment, lease: `waiter ${i}`, timeoutMs: null })),
            ...tries.map((moment, i) => ({ ...moment, slots: 3, lease: `try ${i}`, timeoutMs: 0 })),
          ].toSorted((a, b) => a.afterMs - b.afterMs);
          spend(scene, 'all', 3);
          for (const { lease, slots, afterMs, timeoutMs } of moments) {
            ticks(scene, fromMs + afterMs - scene.nowMs);
            scene.acquire(lease, { r: slots }, { timeoutMs });
          }
          ticks(scene, 60_000);
          return grantsOf(scene)
            .filter(({ lease }) => lease.startsWith('waiter'))
            .map(({ lease, atMs }) => [lease, atMs]);
        };
        // All tries come in the first 0.7 s, in which 3 slots are never free.
        expect(live(tried)).toEqual(live([]));
      }),
      { numRuns: 100 },
    );
  });
});

describe('the line of a rate', () => {
  it('keeps room for a big request until it fits', () => {
    const scene = rate(10, 1);
    const fromMs = scene.nowMs;
    spend(scene, 'all', 10);
    spend(scene, 'big', 8);
    for (let i = 0; i < 3; i++) spend(scene, `small ${i}`);
    scene.sleep(20_000);
    expect(times(scene, fromMs)).toEqual({ all: 0, big: 8000, 'small 0': 9000, 'small 1': 10_000, 'small 2': 11_000 });
  });

  it('goes by priority', () => {
    const scene = rate(1, 1);
    const fromMs = scene.nowMs;
    spend(scene, 'first');
    spend(scene, 'waiter');
    scene.sleep(100);
    spend(scene, 'urgent', 1, { priority: 1 });
    scene.sleep(5000);
    expect(times(scene, fromMs)).toEqual({ first: 0, urgent: 1000, waiter: 2000 });
  });

  it('asks to be woken for the next one as the first gives up or its client goes', () => {
    const scene = rate(4, 1);
    const fromMs = scene.nowMs;
    scene.open('T');
    spend(scene, 'all', 4);
    scene.acquire('big', { r: 4 });
    scene.acquire('away', { r: 3 }, { session: 'T' });
    scene.acquire('small', { r: 2 });
    expect(scene.engine.wakeAtMs).toBe(fromMs + 2000);
    ticks(scene, 1500);
    scene.alive('T');
    scene.cancel('big');
    ticks(scene, 0);
    expect(scene.waiting()).toEqual(['away', 'small']);
    scene.lose('T');
    ticks(scene, 500);
    expect(times(scene, fromMs)).toEqual({ all: 0, small: 2000 });
  });

  it('takes a semaphore and a rate together: it waits for both, holds the one and spends the other', () => {
    const scene = rate(1, 1, { db: 1 });
    scene.acquire('holder', { db: 1 });
    spend(scene, 'spent');
    scene.acquire('both', { db: 1, r: 1 });
    scene.sleep(1500);
    expect(scene.engine.waiters('db')).toMatchObject([{ ticket: 'both', blockedOn: 'db' }]);
    expect(grants(scene.release('holder'))).toEqual(['both']);
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 1, holders: 0 });
    scene.release('both');
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 0 });
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 1, free: 0 });
  });

  it('takes nothing of a semaphore while it waits for a rate', () => {
    const scene = rate(1, 1, { db: 1 });
    spend(scene, 'spent');
    scene.acquire('both', { db: 1, r: 1 });
    expect(scene.acquire('other', { db: 1 })).toBe('granted');
    scene.sleep(1000);
    expect(scene.engine.waiters('db')).toMatchObject([{ ticket: 'both', blockedOn: 'db' }]);
    expect(grants(scene.release('other'))).toEqual(['both']);
  });

  it('tells the same acquire again what it took, in the order of the request', () => {
    const scene = rate(2, 1, { db: 1 });
    scene.acquire('both', { r: 1, db: 1 });
    scene.acquire('both', { r: 1, db: 1 });
    const told = scene.notices.flatMap((notice) => (notice.type === 'granted' ? [notice.grant.amounts] : []));
    expect(told).toEqual([told[0], told[0]]);
    expect(grantsOf(scene)).toHaveLength(1);
  });
});

describe('a restart', () => {
  it('keeps what is spent, and the time that passes until the next start counts', () => {
    const scene = rate(10, 1);
    spend(scene, 'all', 10);
    scene.sleep(2500);
    scene.nowMs += 3000;
    scene.restart();
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 5, free: 5 });
    scene.open('S', { ttlMs: null, lifeline: 'process' });
    const fromMs = scene.nowMs;
    expect(scene.acquire('waiter', { r: 6 })).toBe('queued');
    scene.sleep(1000);
    expect(times(scene, fromMs).waiter).toBe(500);
  });

  it('holds grants back: who fits meanwhile is granted as that is over, and nobody is woken before', () => {
    const scene = rate(2, 10, { db: 1 });
    scene.open('T', { ttlMs: 60_000 });
    scene.acquire('holder', { db: 1 }, { session: 'T' });
    spend(scene, 'all', 2);
    scene.restart();
    scene.open('S', { ttlMs: null, lifeline: 'process' });
    const fromMs = scene.nowMs;
    expect(scene.acquire('waiter', { r: 1 })).toBe('queued');
    expect(scene.engine.wakeAtMs).toBe(fromMs + 1000);
    scene.sleep(1000);
    expect(times(scene, fromMs).waiter).toBe(1000);
  });
});

describe('extremes', () => {
  const MOST = 2 ** 31 - 1;

  it('the greatest limit is exact to the slot', () => {
    const scene = rate(MOST, 1);
    expect(spend(scene, 'all', MOST)).toBe('granted');
    expect(spend(scene, 'try', 1, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    spend(scene, 'waiter');
    expect(ticks(scene, 1000)).toBe(1);
    expect(scene.waiting()).toEqual([]);
    scene.sleep(1_000_000);
    expect(scene.engine.limitView('r', scene.nowMs)).toMatchObject({ taken: MOST - 1000, free: 1000 });
  });

  it('the greatest rate gives back more in a millisecond than anybody can take', () => {
    const scene = rate(1000, MOST);
    for (let i = 0; i < 100; i++) {
      expect(spend(scene, `all ${i}`, 1000)).toBe('granted');
      expect(spend(scene, `waiter ${i}`, 1000)).toBe('queued');
      expect(ticks(scene, 1)).toBeLessThanOrEqual(2);
      expect(scene.waiting()).toEqual([]);
      scene.nowMs += 1;
    }
  });

  it('the smallest rate wakes nobody in a year, and serves after 32', () => {
    const scene = rate(1, 1e-9);
    const fromMs = scene.nowMs;
    spend(scene, 'first');
    spend(scene, 'waiter');
    expect(ticks(scene, 365 * 86_400_000)).toBe(0);
    expect(ticks(scene, 32 * 365 * 86_400_000)).toBeLessThanOrEqual(2);
    expect(times(scene, fromMs).waiter! / 1e12).toBeCloseTo(1, 6);
  });

  it('the smallest rate of the greatest limit is waited for without end, and asks for no time that is none', () => {
    const scene = rate(MOST, 1e-9);
    spend(scene, 'all', MOST);
    spend(scene, 'waiter', MOST);
    expect(Number.isFinite(scene.engine.wakeAtMs)).toBe(true);
    expect(ticks(scene, 86_400_000)).toBe(0);
  });

  it('time that runs backwards gives nothing back and takes nothing', () => {
    const scene = rate(2, 1);
    const fromMs = scene.nowMs;
    spend(scene, 'both', 2);
    scene.sleep(500);
    spend(scene, 'waiter');
    scene.nowMs -= 400_000;
    expect(grants(scene.do({ type: 'tick' }))).toEqual([]);
    expect(scene.engine.limitView('r')).toMatchObject({ taken: 2 });
    expect(spend(scene, 'try', 1, { timeoutMs: 0 })).toBe('ACQUIRE_TIMEOUT');
    scene.nowMs = fromMs + 1000;
    expect(grants(scene.do({ type: 'tick' }))).toEqual(['waiter']);
  });
});
