import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonical } from '@slotkeeper/engine';
import {
  type Followed,
  type Journal,
  JournalError,
  MemoryJournal,
  MemoryStore,
  replay,
  SqliteJournal,
} from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import type { Sink } from '../src/replica/batch.ts';
import type { Outcome } from '../src/replica/outcome.ts';
import { Replica } from '../src/replica/replica.ts';

/** A journal in memory whose next appends fail, before the write or after it. */
class FailingJournal extends MemoryJournal {
  static failures: ('before' | 'after')[] = [];

  override async append(...args: Parameters<Journal['append']>): Promise<void> {
    const failure = FailingJournal.failures.shift();
    if (failure === 'before') throw new JournalError('IO', 'The disk is full.');
    await super.append(...args);
    if (failure === 'after') throw new JournalError('IO', 'The disk did not say whether it wrote.');
  }
}

const open = (session: string) =>
  ({
    type: 'session.open',
    sessionId: session,
    connection: 1,
    lifeline: 'heartbeat',
    ttlMs: 5_000,
    leases: [],
    waits: [],
    origin: 'session',
  }) as const;

const request = {
  timeoutMs: null,
  priority: 0,
  holder: { type: null, id: null, label: null, host: null, pid: null },
  onMissing: 'error',
  place: null,
  ratesOnly: false,
  refunds: false,
  skipInactive: false,
  limitIds: [],
} as const;

const ensure = (name: string) => ({ type: 'limit.ensure', name, id: randomUUID(), patch: { slots: 1 } }) as const;

async function start(
  store = new MemoryStore(),
  time = new VirtualTime(),
): Promise<{ replica: Replica; store: MemoryStore; time: VirtualTime }> {
  const replica = await Replica.start(() => new FailingJournal(store, time), time);
  return { replica, store, time };
}

const endOf = (outcome: Outcome): string => (outcome.is === 'durable' ? (outcome.refusal?.code ?? 'durable') : 'lost');

/** A disk that does not answer. */
function* silent(): Generator<never> {
  yield* [];
  throw new JournalError('IO', 'The disk did not answer.');
}

async function stateIn(store: MemoryStore): Promise<string> {
  return canonical(await replay(await new MemoryJournal(store, new VirtualTime()).follow()));
}

describe('a replica', () => {
  it('tells nothing before the batch that was open is durable', async () => {
    const { replica, store, time } = await start();
    const told: number[] = [];
    replica.submit(ensure('a'), () => told.push(store.position));
    replica.submit(ensure('a'), () => told.push(store.position));
    replica.confirm(() => told.push(store.position));
    expect(told).toEqual([]);
    await time.pass(0);
    expect(told).toEqual([1, 1, 1]);
  });

  for (const failure of ['before', 'after'] as const) {
    it(`whose append failed ${failure} the write tells nobody, and starts again from the journal`, async () => {
      const { replica, store, time } = await start();
      replica.submit(ensure('acknowledged'));
      await time.pass(0);
      const failures: string[] = [];
      replica.on({ failed: (reason) => failures.push(reason) });
      const ended: Outcome[] = [];
      replica.submit(ensure('doubtful'), (outcome) => ended.push(outcome));
      FailingJournal.failures = [failure];
      await time.pass(0);
      expect(ended).toEqual([{ is: 'lost', reason: failures[0] }]);
      expect(failures).toHaveLength(1);
      expect(replica.ready).toBe(true);
      expect(replica.engine.limitView('acknowledged')).toBeDefined();
      expect(replica.engine.limitView('doubtful') !== undefined).toBe(failure === 'after');
      expect(await stateIn(store)).toBe(canonical(replica.engine.state));
    });
  }

  it('goes on trying until the journal can be opened', async () => {
    const store = new MemoryStore();
    const time = new VirtualTime();
    let broken = false;
    const replica = await Replica.start(() => {
      if (broken) throw new JournalError('IO', 'The disk is gone.');
      return new FailingJournal(store, time);
    }, time);
    const log: string[] = [];
    replica.on({ log: (_level, message) => log.push(message) });
    FailingJournal.failures = ['before'];
    broken = true;
    replica.submit(ensure('a'));
    await time.pass(2_500);
    expect(replica.ready).toBe(false);
    const ended: string[] = [];
    expect(replica.submit(ensure('a'), ({ is }) => ended.push(is))).toBeUndefined();
    expect(ended).toEqual([]);
    broken = false;
    await time.pass(1_000);
    expect(ended).toEqual(['lost']);
    expect(replica.ready).toBe(true);
    expect(log.filter((message) => message.includes('The disk is gone.'))).toHaveLength(3);
    expect(log.at(-1)).toBe('Running again.');
  });

  it('that failed to read its file once can open it again: it does not lock itself out', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-replica-'));
    let unreadable = 0;
    class OnceUnreadable extends SqliteJournal {
      override async follow(): Promise<Followed> {
        const followed = await super.follow();
        if (unreadable === 0) return followed;
        unreadable -= 1;
        return { ...followed, facts: silent() };
      }
    }
    try {
      const time = new VirtualTime();
      const replica = await Replica.start(() => new OnceUnreadable({ folder }, time), time);
      const log: string[] = [];
      replica.on({ log: (_level, message) => log.push(message) });
      replica.submit(ensure('a'));
      await time.pass(0);
      unreadable = 1;
      // A command that no host gives: the engine finds it broken, and the replica starts again.
      replica.submit({ type: 'acquire', sessionId: 'nobody', request: undefined as never });
      await time.pass(3_000);
      expect(log.at(-1)).toBe('Running again.');
      expect(replica.engine.limitView('a')).toBeDefined();
      await replica.stop();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('that cannot write a snapshot says so, and goes on', async () => {
    class NoSnapshots extends MemoryJournal {
      override async saveSnapshot(): Promise<void> {
        throw new JournalError('IO', 'The disk is full.');
      }
    }
    const time = new VirtualTime();
    const store = new MemoryStore();
    const replica = await Replica.start(() => new NoSnapshots(store, time), time);
    const log: string[] = [];
    replica.on({ log: (_level, message) => log.push(message) });
    for (let i = 0; i < 50_000; i += 1) replica.submit(ensure(`l${i}`));
    await time.pass(0);
    replica.submit(ensure('one more'));
    await time.pass(0);
    expect(log).toEqual(['No snapshot was kept: The disk is full.']);
    expect(store.position).toBe(50_001);
  });

  it('whose engine finds an invariant broken starts again from the journal', async () => {
    const { replica, time } = await start();
    replica.submit(ensure('a'));
    await time.pass(0);
    const ended: string[] = [];
    const end = (who: string) => (outcome: Outcome) => ended.push(`${who} ${endOf(outcome)}`);
    replica.on({ failed: () => ended.push(`failed, ${replica.ready}`) });
    replica.submit(ensure('b'), end('before it'));
    replica.submit(
      { type: 'acquire', sessionId: 'nobody', request: { ...request, leaseId: 'a', amounts: [['a', 1]] } },
      end('at it'),
    );
    replica.submit(ensure('c'), end('after it'));
    replica.confirm(end('read after it'));
    expect([replica.ready, ended]).toEqual([false, []]);
    await time.pass(0);
    expect(ended).toEqual(['before it lost', 'at it lost', 'after it lost', 'read after it lost', 'failed, false']);
    expect(replica.ready).toBe(true);
    expect(replica.engine.limitView('a')).toBeDefined();
  });

  it('that could not run as a slot of a rate came back grants it all the same, and tells', async () => {
    const { replica, store, time } = await start();
    const failures: string[] = [];
    replica.on({ failed: (reason) => failures.push(reason) });
    const patch = { slots: 1, slotDecayPerSecond: 1 };
    replica.submit({ type: 'limit.ensure', name: 'a', id: randomUUID(), patch });
    const told: string[] = [];
    const sink: Sink = (notice) => told.push(`${notice.type} ${'leaseId' in notice ? notice.leaseId : ''}`);
    replica.submit(open('one'), undefined, sink);
    for (const lease of ['first', 'second']) {
      replica.submit({
        type: 'acquire',
        sessionId: 'one',
        request: { ...request, leaseId: lease, amounts: [['a', 1]] },
      });
    }
    await time.pass(900);
    time.stall(400);
    await time.pass(0);
    replica.submit(ensure('b'));
    await time.pass(0);
    expect(told).toEqual(['granted first', 'queued second', 'granted second']);
    expect(failures).toEqual([]);
    expect(await stateIn(store)).toBe(canonical(replica.engine.state));
  });

  it('a wall clock that was set back an hour, or forward, changes no lease and no order', async () => {
    const time = new VirtualTime();
    const { replica, store } = await start(new MemoryStore(), time);
    replica.submit(ensure('a'));
    replica.submit(open('one'));
    await time.pass(0);
    const before = replica.engine.nowMs;
    await replica.stop();
    time.stepWall(-3_600_000);
    const { replica: again } = await start(store, time);
    again.submit(ensure('b'));
    await time.pass(10);
    const startedMs = again.engine.nowMs;
    expect(startedMs).toBeGreaterThanOrEqual(before);
    time.stepWall(7_200_000);
    await time.pass(1_000);
    again.submit(ensure('c'));
    expect(again.engine.nowMs - startedMs).toBeGreaterThanOrEqual(1_000);
    expect(again.engine.nowMs - before).toBeLessThan(60_000);
  });

  it('stops with a snapshot from which it starts without replaying', async () => {
    const { replica, store, time } = await start();
    for (let i = 0; i < 10; i += 1) replica.submit(ensure(`l${i}`));
    await time.pass(0);
    const state = canonical(replica.engine.state);
    await replica.stop();
    expect(store.snapshot?.position).toBe(10);
    expect(canonical(await replay({ snapshot: store.snapshot, facts: [] }))).toBe(state);
  });

  it('tells when a limit that drains is empty, or that it was resumed before', async () => {
    const { replica, time } = await start();
    const drain = (name: string) => ({ type: 'limit.set', name, id: '', patch: { mode: 'draining' } }) as const;
    for (const name of ['a', 'b', 'c']) replica.submit(ensure(name));
    const waits = ['b', 'c'].map((name) => ({ ...request, leaseId: name, amounts: [[name, 1]] as const }));
    replica.submit({ ...open('one'), waits });
    const told: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      replica.submit(drain(name));
      replica.whenDrained(name, (outcome) => told.push(`${name} ${endOf(outcome)}`));
    }
    await time.pass(0);
    expect(told).toEqual(['a durable']);
    replica.submit({ type: 'limit.set', name: 'b', id: '', patch: { mode: 'open' } });
    replica.submit({ type: 'session.close', sessionId: 'one', connection: 1 });
    await time.pass(0);
    expect(told).toEqual(['a durable', 'b CONFLICT', 'c durable']);
  });
});
