import { describe, expect, it } from 'vitest';
import { grants, request, Scene, told } from './scene.ts';

const rename = (scene: Scene, name: string, to: string) => scene.do({ type: 'limit.rename', name, to });

describe('a limit that is renamed', () => {
  it('keeps its settings and its id, and its leases their slots and tokens', () => {
    const scene = new Scene({ db: 2, gpu: 1 });
    scene.acquire('lease', { gpu: 1, db: 1 });
    const token = scene.token('lease');
    rename(scene, 'db', 'database');
    expect(scene.engine.limitView('db')).toBeUndefined();
    expect(scene.engine.limitView('database')).toMatchObject({ slots: 2, taken: 1, holders: 1 });
    expect(scene.engine.state.limits.get('database')?.id).toBe('id of db');
    expect([...scene.engine.holders(null)]).toMatchObject([
      {
        leaseId: 'lease',
        token,
        limits: [
          { name: 'gpu', slots: 1 },
          { name: 'database', slots: 1 },
        ],
      },
    ]);
    scene.release('lease', ['database']);
    expect(scene.engine.limitView('database')).toMatchObject({ taken: 0, free: 2 });
  });

  it('refuses those who wait for its old name, but goes on with those who can do without', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    scene.acquire('holder', { db: 1, gpu: 1 });
    scene.acquire('needs it', { db: 1 });
    scene.acquire('needs it not', { db: 1, gpu: 1 }, { onMissing: 'allow' });
    scene.acquire('only it', { db: 1 }, { onMissing: 'allow' });
    const step = rename(scene, 'db', 'database');
    expect(told(step, 'needs it')).toBe('LIMIT_NOT_FOUND');
    expect(grants(step)).toEqual(['only it']);
    expect(grants(scene.release('holder'))).toEqual(['needs it not']);
    expect(scene.warnings('needs it not')).toEqual(['LIMIT_MISSING db']);
  });

  it('serves those who ask by its new name', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('holder', { db: 1 });
    rename(scene, 'db', 'database');
    expect(scene.acquire('waiter', { database: 1 })).toBe('queued');
    expect(grants(scene.release('holder'))).toEqual(['waiter']);
  });

  it('offers the slots of leases that lapsed before and lapse after', () => {
    const scene = new Scene({ db: 2 });
    scene.open('T');
    scene.acquire('before', { db: 1 }, { session: 'T' });
    scene.sleep(500);
    scene.open('U');
    scene.acquire('after', { db: 1 }, { session: 'U' });
    scene.sleep(1500);
    rename(scene, 'db', 'database');
    expect(scene.acquire('first', { database: 1 })).toBe('granted');
    expect(scene.acquire('second', { database: 1 })).toBe('queued');
    expect(told({ notices: scene.sleep(500) }, 'second')).toBe('granted');
  });

  it('may be found under its new name by another one under its old', () => {
    const scene = new Scene({ db: 1 });
    scene.acquire('lease', { db: 1 });
    rename(scene, 'db', 'database');
    scene.limit('db', { slots: 1 });
    expect(scene.acquire('other', { db: 1 })).toBe('granted');
    scene.release('lease');
    expect(scene.engine.limitView('database')).toMatchObject({ taken: 0 });
    expect(scene.engine.limitView('db')).toMatchObject({ taken: 1 });
  });

  it('leaves no slots to a client that comes back and asks for its old name, not knowing that it was granted', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('lease', { db: 1 }, { session: 'T' });
    scene.lose('T');
    rename(scene, 'db', 'database');
    expect(told(scene.open('T', { waits: [request('lease', { db: 1 })] }), 'lease')).toBe('LIMIT_NOT_FOUND');
    expect(scene.engine.limitView('database')).toMatchObject({ taken: 0 });
  });

  it('is refused a name that is taken, and is to be there', () => {
    const scene = new Scene({ db: 1, gpu: 1 });
    expect(rename(scene, 'db', 'gpu').refusal?.code).toBe('CONFLICT');
    expect(rename(scene, 'nowhere', 'gpu').refusal?.code).toBe('LIMIT_NOT_FOUND');
    expect(rename(scene, 'db', 'db')).toMatchObject({ refusal: undefined, facts: [] });
  });

  it('is the same after a restart', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('lease', { db: 1 }, { session: 'T' });
    rename(scene, 'db', 'database');
    const claim = scene.claim('lease');
    scene.restart();
    scene.open('T', { leases: [claim] });
    expect(scene.holding('database')).toEqual(['lease']);
    scene.release('lease');
    expect(scene.engine.limitView('database')).toMatchObject({ taken: 0 });
  });
});
