/** Cases of the list of pains that the engine alone can show; those that need processes and time stand elsewhere. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grants, Scene, told } from './scene.ts';

describe('case 4: more holders than the limit', () => {
  it('case 4: a lease released 100 times, before and after it expires and is revoked, is freed once', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('expiring', { db: 1 }, { session: 'T' });
    scene.acquire('revoked', { db: 1 });
    scene.acquire('next', { db: 1 });
    const claims = [scene.claim('expiring'), scene.claim('revoked')];
    const releaseAll = () => {
      for (const [lease, token] of claims) {
        for (let i = 0; i < 100; i++) scene.do({ type: 'release', leaseId: lease, token });
      }
    };
    scene.sleep(2000);
    expect(scene.holding('db')).toEqual(['revoked', 'next']);
    scene.do({ type: 'release', leaseId: 'expiring', token: claims[0]![1] });
    expect(scene.engine.limitView('db')?.taken).toBe(2);
    releaseAll();
    expect(scene.holding('db')).toEqual(['next']);
    scene.acquire('expiring', { db: 1 });
    scene.acquire('last', { db: 1 });
    releaseAll();
    expect(scene.holding('db')).toEqual(['next', 'expiring']);
    expect(scene.facts.filter((fact) => fact.type === 'lease.released')).toHaveLength(1);
  });

  it('case 4: random operations of many clients never bring a limit above its slots, nor a lease twice', () => {
    const names = ['a', 'b', 'c'];
    const operation = fc.record({
      what: fc.constantFrom('acquire', 'acquire', 'again', 'release', 'release twice', 'cancel', 'sleep', 'lose'),
      client: fc.nat(9),
      pick: fc.nat(30),
      wanted: fc.subarray(names, { minLength: 1 }),
      slots: fc.integer({ min: 1, max: 3 }),
    });
    const live = (operations: readonly (typeof operation extends fc.Arbitrary<infer T> ? T : never)[]) => {
      const scene = new Scene({ a: 3, b: 4, c: 5 });
      const sessions = Array.from({ length: 10 }, (_, i) => `client ${i}`);
      for (const session of sessions) scene.open(session, { ttlMs: null, lifeline: 'process' });
      operations.forEach(({ what, client, pick, wanted, slots }, i) => {
        const session = `client ${client}`;
        const amounts = Object.fromEntries(wanted.map((name) => [name, slots]));
        const held = scene.holding()[pick];
        if (what === 'acquire') scene.acquire(`lease ${i}`, amounts, { session });
        else if (what === 'again') scene.acquire(`lease ${pick}`, amounts, { session });
        else if (what === 'cancel') scene.cancel(`lease ${pick}`, session);
        else if (what === 'sleep') scene.sleep(pick * 100);
        else if (what === 'lose') {
          scene.lose(session);
          scene.open(session, { ttlMs: null, lifeline: 'process' });
        } else if (held !== undefined) {
          const [lease, token] = scene.claim(held);
          for (const _ of what === 'release' ? [1] : [1, 2]) scene.do({ type: 'release', leaseId: lease, token });
        }
        for (const name of names) {
          const view = scene.engine.limitView(name)!;
          expect(view.taken).toBeLessThanOrEqual(view.slots);
        }
      });
    };
    fc.assert(fc.property(fc.array(operation, { maxLength: 80, size: 'max' }), live), { numRuns: 100 });
  });
});

describe('case 6: no order, big requests starve', () => {
  it('case 6: 1,000 waiters are granted in the order of arrival', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    const arrivals = Array.from({ length: 1000 }, (_, i) => `waiter ${i}`);
    for (const lease of arrivals) scene.acquire(lease, { db: 1 });
    const order: string[] = [];
    for (let holder = 'holder'; holder; holder = scene.holding()[0] ?? '') order.push(...grants(scene.release(holder)));
    expect(order).toEqual(arrivals);
  });

  it('case 6: a request for 8 of 10 is not passed by anybody who came after it', () => {
    const scene = new Scene({ db: 10 });
    for (let i = 0; i < 10; i++) scene.acquire(`before ${i}`, { db: 1 });
    scene.acquire('big', { db: 8 });
    const order: string[] = [];
    for (let i = 0; scene.waiting().includes('big'); i++) {
      expect(scene.acquire(`after ${i}`, { db: 1 })).toBe('queued');
      order.push(...grants(scene.release(scene.holding()[0]!)));
    }
    expect(order).toEqual(['big']);
    expect(scene.holding()).toEqual(['before 8', 'before 9', 'big']);
  });
});

describe('case 16: waits cannot be cancelled, timeouts lie', () => {
  it('case 16: after 10,000 cancels at random moments around the grant nothing is held and nobody waits', () => {
    const step = fc.record({ slots: fc.integer({ min: 1, max: 3 }), cancelBefore: fc.boolean(), pick: fc.nat(50) });
    const live = (steps: readonly { slots: number; cancelBefore: boolean; pick: number }[]) => {
      const scene = new Scene({ db: 3 });
      const open: string[] = [];
      const cancelOne = (pick: number) => {
        const [lease] = open.splice(pick % Math.max(1, open.length), 1);
        if (lease) scene.cancel(lease);
      };
      steps.forEach(({ slots, cancelBefore, pick }, i) => {
        if (cancelBefore) cancelOne(pick);
        scene.acquire(`lease ${i}`, { db: slots });
        open.push(`lease ${i}`);
        if (!cancelBefore && pick % 2 === 0) cancelOne(pick);
      });
      while (open.length > 0) cancelOne(0);
      expect(scene.holding()).toEqual([]);
      expect(scene.waiting()).toEqual([]);
      expect(scene.engine.limitView('db')).toMatchObject({ taken: 0, free: 3, holders: 0, waiters: 0 });
    };
    fc.assert(fc.property(fc.array(step, { minLength: 100, maxLength: 100 }), live), { numRuns: 100 });
  });

  it('case 16: a timeout of 1 s behind 50 waiters is over after 1 s', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    for (let i = 0; i < 50; i++) scene.acquire(`waiter ${i}`, { db: 1 });
    scene.acquire('hasty', { db: 1 }, { timeoutMs: 1000 });
    expect(scene.engine.wakeAtMs).toBe(scene.nowMs + 1000);
    expect(told({ notices: scene.sleep(999) }, 'hasty')).toBe('nothing');
    expect(told({ notices: scene.sleep(1) }, 'hasty')).toBe('ACQUIRE_TIMEOUT');
  });

  it('case 16: a timeout of 0 never queues, whatever the state of the limit', () => {
    const modes = fc.record({
      mode: fc.constantFrom('open' as const, 'paused' as const, 'draining' as const),
      active: fc.boolean(),
      held: fc.nat(2),
    });
    fc.assert(
      fc.property(modes, ({ mode, active, held }) => {
        const scene = new Scene({ db: 2 });
        if (held > 0) scene.acquire('holder', { db: held });
        scene.limit('db', { mode, active });
        const answer = scene.acquire('try', { db: 1 }, { timeoutMs: 0 });
        expect(answer).not.toBe('queued');
        expect(answer === 'granted').toBe(mode === 'open' && (!active || held < 2));
        expect(scene.waiting()).toEqual([]);
      }),
    );
  });
});

describe('case 17: changing a limit live goes wrong', () => {
  it('case 17: raised from 2 to 5 with 10 waiting, 3 are granted at once', () => {
    const scene = new Scene({ db: 2 });
    for (let i = 0; i < 12; i++) scene.acquire(`lease ${i}`, { db: 1 });
    scene.limit('db', { slots: 5 });
    expect(scene.holding()).toEqual(['lease 0', 'lease 1', 'lease 2', 'lease 3', 'lease 4']);
  });

  it('case 17: lowered from 5 to 2, none is granted until only 1 is left', () => {
    const scene = new Scene({ db: 5 });
    for (let i = 0; i < 6; i++) scene.acquire(`lease ${i}`, { db: 1 });
    scene.limit('db', { slots: 2 });
    for (const lease of ['lease 0', 'lease 1', 'lease 2']) expect(grants(scene.release(lease))).toEqual([]);
    expect(grants(scene.release('lease 3'))).toEqual(['lease 5']);
  });

  it('case 17: what is released while the limit is off is free when it is on again', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('one', { db: 1 });
    scene.acquire('two', { db: 1 });
    scene.limit('db', { active: false });
    scene.acquire('three', { db: 1 });
    scene.release('one');
    scene.release('three');
    scene.limit('db', { active: true });
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1, free: 1 });
  });

  it('case 17: deleted with holders it is refused unless forced, then the holders are told', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    expect(scene.do({ type: 'limit.delete', name: 'db', force: false }).refusal?.code).toBe('CONFLICT');
    expect(scene.holding()).toEqual(['holder']);
    expect(told(scene.do({ type: 'limit.delete', name: 'db', force: true }), 'holder')).toBe('LEASE_REVOKED');
    const late = scene.do({ type: 'release', leaseId: 'holder', token: 2 });
    expect(late.facts).toEqual([]);
  });

  it('case 17: random resizes and switches lose no release', () => {
    const change = fc.record({ slots: fc.integer({ min: 1, max: 5 }), active: fc.boolean(), release: fc.boolean() });
    const live = (changes: readonly { slots: number; active: boolean; release: boolean }[]) => {
      const scene = new Scene({ db: 3 });
      changes.forEach(({ slots, active, release }, i) => {
        scene.acquire(`lease ${i}`, { db: 1 });
        scene.limit('db', { slots, active });
        const [oldest] = scene.holding();
        if (release && oldest) scene.release(oldest);
      });
      scene.limit('db', { slots: 3, active: true });
      for (let [oldest] = scene.holding(); oldest; [oldest] = scene.holding()) scene.release(oldest);
      expect(scene.waiting()).toEqual([]);
      expect(scene.engine.limitView('db')).toMatchObject({ taken: 0, free: 3 });
    };
    fc.assert(fc.property(fc.array(change, { maxLength: 30 }), live), { numRuns: 200 });
  });
});
