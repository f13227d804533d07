import { describe, expect, it } from 'vitest';
import { canonical, emptyState, evolve, type Fact, type LimitSettings } from '../src/index.ts';
import { NOBODY, Scene } from './scene.ts';

const settings: LimitSettings = {
  slotDecayPerSecond: null,
  slots: 2,
  active: true,
  mode: 'open',
  overtakes: 16,
  maxWaiters: null,
  description: null,
};
const set = (name: string): Fact => ({ type: 'limit.set', at: 1, name, id: name, settings, by: null });
const granted = (lease: string): Fact => ({
  type: 'lease.granted',
  at: 2,
  leaseId: lease,
  sessionId: 'S',
  lifeline: 'heartbeat',
  ttlMs: 2000,
  amounts: [['db', 1]],
  holder: NOBODY,
  refunds: false,
  origin: 'session',
});

function replayed(facts: readonly Fact[]) {
  const state = emptyState();
  for (const fact of facts) evolve(state, fact);
  return state;
}

describe('the durable state', () => {
  it('is the same, to the byte of its canonical form, when the facts are replayed', () => {
    const scene = new Scene({ db: 2, gpu: 1 });
    scene.open('T');
    scene.acquire('one', { db: 1, gpu: 1 });
    scene.acquire('two', { db: 1 }, { session: 'T' });
    scene.acquire('three', { gpu: 1 });
    scene.release('one', ['gpu']);
    scene.sleep(4000);
    scene.do({ type: 'limit.delete', name: 'db', force: true });
    expect(canonical(replayed(scene.facts))).toBe(canonical(scene.engine.state));
  });

  it('has the same canonical form whatever the order in which its limits were made', () => {
    expect(canonical(replayed([set('a'), set('b')]))).toBe(canonical(replayed([set('b'), set('a')])));
  });

  it('does not take facts that cannot have happened', () => {
    const facts: [string, Fact[]][] = [
      ['granted twice', [set('db'), granted('one'), granted('one')]],
      ["'db', which does not exist", [granted('one')]],
      ["'one', which does not exist", [set('db'), { type: 'lease.expired', at: 3, leaseId: 'one' }]],
      [
        'does not hold all of them',
        [
          set('db'),
          set('gpu'),
          granted('one'),
          { type: 'lease.released', at: 3, leaseId: 'one', names: ['db', 'gpu'], how: 'returned' },
        ],
      ],
      ['with 1 leases', [set('db'), granted('one'), { type: 'limit.deleted', at: 3, name: 'db', by: null }]],
    ];
    for (const [message, list] of facts) expect(() => replayed(list)).toThrow(message);
  });

  it('changes nothing for a wait, a refusal, a lost connection or a sign of life: they write no fact', () => {
    const scene = new Scene({ db: 1 });
    scene.open('T');
    scene.acquire('holder', { db: 1 });
    const before = canonical(scene.engine.state);
    scene.acquire('waiter', { db: 1 });
    scene.acquire('try', { db: 1 }, { timeoutMs: 0 });
    scene.acquire('too big', { db: 2 });
    scene.alive('T');
    scene.lose('T');
    scene.open('T');
    scene.cancel('waiter');
    expect(canonical(scene.engine.state)).toBe(before);
  });
});
