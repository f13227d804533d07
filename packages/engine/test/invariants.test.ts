import { describe, expect, it } from 'vitest';
import { Deadlines } from '../src/deadlines.ts';
import { BrokenInvariant } from '../src/invariant.ts';
import { LapsedLeases } from '../src/lapsed-leases.ts';
import { Lane, newWaiter } from '../src/limit-queue.ts';
import { Sessions } from '../src/sessions.ts';
import { request, Scene } from './scene.ts';

/** A step that finds the engine broken, as by a bug, throws: the host must not go on with what it came to. */
describe('a broken invariant ends the step', () => {
  const held = () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('lease', { db: 1 });
    return { scene, limit: scene.engine.state.limits.get('db')!, lease: scene.engine.state.leases.get('lease')! };
  };
  const acquire = (scene: Scene) =>
    scene.engine.step({ type: 'acquire', sessionId: 'S', request: request('next', { db: 1 }) }, scene.nowMs);

  it('when a grant leaves more taken than the limit has', () => {
    const { scene, limit } = held();
    limit.usage.taken = Number.NaN;
    expect(() => acquire(scene)).toThrow(BrokenInvariant);
  });

  it('when a token is not greater than those before', () => {
    const { scene } = held();
    scene.engine.state.position -= 2;
    expect(() => acquire(scene)).toThrow(BrokenInvariant);
  });

  it('when what leases hold is not what the limit counts', () => {
    for (const wrong of [-1, 1]) {
      const { scene, limit, lease } = held();
      limit.usage.held += wrong;
      const release = { type: 'release', leaseId: lease.id, token: lease.token } as const;
      expect(() => scene.engine.step(release, scene.nowMs)).toThrow(BrokenInvariant);
    }
  });

  it('when a lease has spent slots of a semaphore', () => {
    const { scene, lease } = held();
    lease.spent = [['db', 1]];
    const undo = { type: 'cancel', sessionId: 'S', leaseId: lease.id } as const;
    expect(() => scene.engine.step(undo, scene.nowMs)).toThrow(BrokenInvariant);
  });
});

describe('a part that is used against its rules throws', () => {
  it('the lapsed leases of a limit: each is there once, and leaves once', () => {
    const scene = new Scene({ db: 2 });
    scene.acquire('lease', { db: 1 });
    const lease = scene.engine.state.leases.get('lease')!;
    const lapsed = new LapsedLeases();
    lapsed.add(lease, 1);
    expect([lapsed.first, lapsed.slots]).toEqual([lease, 1]);
    expect(() => lapsed.add(lease, 1)).toThrow(BrokenInvariant);
    lapsed.delete(lease);
    expect([lapsed.first, lapsed.slots]).toEqual([undefined, 0]);
    expect(() => lapsed.delete(lease)).toThrow(BrokenInvariant);
  });

  it('a lane: it is not empty as it is looked at, and a waiter stands in one', () => {
    const lane = new Lane('lane', [], []);
    expect(() => lane.head).toThrow(BrokenInvariant);
    const waiter = newWaiter('lease', [], { atMs: 0, number: 1 });
    lane.add(waiter);
    expect(() => new Lane('other', [], []).add(waiter)).toThrow(BrokenInvariant);
  });

  it('a session: connections rise, and it lapses once', () => {
    const sessions = new Sessions(new Deadlines());
    const session = sessions.add('S', 'heartbeat', 2000, 'session');
    sessions.connect(session, 1);
    expect(() => sessions.connect(session, 1)).toThrow(BrokenInvariant);
    sessions.lapse(session);
    expect(() => sessions.lapse(session)).toThrow(BrokenInvariant);
  });
});
