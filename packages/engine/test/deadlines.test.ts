import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Deadline, type DeadlineKind, Deadlines, newDeadline } from '../src/deadlines.ts';
import { Scene, told } from './scene.ts';

const KINDS: readonly DeadlineKind[] = ['room', 'hold-back', 'session', 'timeout'];

function takeNext(deadlines: Deadlines, nowMs: number): Deadline | undefined {
  for (const kind of KINDS) {
    const taken = deadlines.take(kind, nowMs);
    if (taken) return taken;
  }
  return undefined;
}

function takeAll(deadlines: Deadlines, nowMs: number): Deadline[] {
  const taken: Deadline[] = [];
  for (let next = takeNext(deadlines, nowMs); next; next = takeNext(deadlines, nowMs)) taken.push(next);
  return taken;
}

function inStatedOrder(all: readonly Deadline[]): Deadline[] {
  const rank = ({ kind }: Deadline) => KINDS.indexOf(kind);
  const number = ({ place }: Deadline) => place?.number ?? 0;
  return [...all].sort((a, b) => rank(a) - rank(b) || a.atMs - b.atMs || number(a) - number(b));
}

function seen(all: readonly Deadline[]): unknown[] {
  return all.map(({ kind, atMs, place }) => [kind, atMs, place?.number]);
}

describe('deadlines', () => {
  it('that are due are taken in the stated order, however they were set, moved and cancelled', () => {
    const anyDeadline = fc.record({
      kind: fc.constantFrom(...KINDS),
      setAtMs: fc.nat(20),
      movedToMs: fc.option(fc.nat(20)),
      isCancelled: fc.boolean(),
      number: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(anyDeadline), fc.nat(20), fc.nat(20), (all, firstMs, thenMs) => {
        const deadlines = new Deadlines();
        const made = all.map(({ kind, number }, i) =>
          newDeadline(kind, `${i}`, kind === 'timeout' ? { atMs: 0, number: number * 100 + i } : null),
        );
        for (const [i, { setAtMs }] of all.entries()) deadlines.set(made[i]!, setAtMs);
        // From here on some are due already as they are moved or cancelled.
        const due = inStatedOrder(made.filter(({ atMs }) => atMs <= firstMs));
        expect(seen([takeNext(deadlines, firstMs)].filter((taken) => taken !== undefined))).toEqual(
          seen(due.slice(0, 1)),
        );
        for (const [i, { isCancelled, movedToMs }] of all.entries()) {
          if (isCancelled) deadlines.cancel(made[i]!);
          else if (movedToMs !== null) deadlines.set(made[i]!, movedToMs);
        }
        const set = made.filter((deadline) => deadlines.isSet(deadline));
        const nowMs = Math.max(firstMs, thenMs);
        const [past, future] = [set.filter(({ atMs }) => atMs <= nowMs), set.filter(({ atMs }) => atMs > nowMs)];
        expect(seen(takeAll(deadlines, nowMs))).toEqual(seen(inStatedOrder(past)));
        expect(deadlines.wakeAtMs).toBe(future.length === 0 ? null : Math.min(...future.map(({ atMs }) => atMs)));
      }),
    );
  });

  it('that come at once in one late tick: what lapses is there for the waiter whose time is over, too', () => {
    const scene = new Scene({ db: 1 });
    scene.open('H', { ttlMs: 3000 });
    scene.acquire('held', { db: 1 }, { session: 'H' });
    scene.acquire('waiter', { db: 1 }, { timeoutMs: 500 });
    scene.nowMs += 5000;
    expect(told(scene.do({ type: 'tick' }), 'waiter')).toBe('granted');
  });

  it('of a session do not come while the host stands still, and a waiter’s do', () => {
    const scene = new Scene({ db: 1 });
    scene.open('H', { ttlMs: 3000 });
    scene.acquire('held', { db: 1 }, { session: 'H' });
    scene.acquire('waiter', { db: 1 }, { timeoutMs: 500 });
    scene.nowMs += 5000;
    scene.do({ type: 'stalled', byMs: 5000 });
    expect(told(scene.do({ type: 'tick' }), 'waiter')).toBe('ACQUIRE_TIMEOUT');
    expect(scene.holding('db')).toEqual(['held']);
    expect(scene.engine.wakeAtMs).toBe(scene.nowMs + 3000);
    scene.sleep(2999);
    expect(scene.engine.isValid('held', scene.token('held'))).toBe(true);
    scene.sleep(1);
    expect(scene.engine.isValid('held', scene.token('held'))).toBe(false);
  });
});
