/** The rules of repeats, without sockets, so that the test decides when a connection ends. */
import { randomUUID } from 'node:crypto';
import type { Limit } from '@slotkeeper/engine';
import { MemoryStore } from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { Replica } from '../../server/src/replica/replica.ts';
import type { Requester } from '../src/increments/held-increment.ts';
import { HeldIncrements } from '../src/increments/held-increments.ts';
import type { Increment, Outcome } from '../src/increments/increment.ts';
import { FailingJournal } from './failing-journal.ts';

class Asker implements Requester {
  readonly answers: Outcome['is'][] = [];
  answer({ is }: Outcome): void {
    this.answers.push(is);
  }
}

async function start() {
  const time = new VirtualTime();
  const store = new MemoryStore();
  const starting = Replica.start(() => new FailingJournal(store, time), time);
  await time.pass(0);
  const replica = await starting;
  replica.submit({ type: 'limit.ensure', name: 'tag:t', id: randomUUID(), patch: { slots: 1 } });
  const increments = new HeldIncrements({ host: replica, clock: time, holdMs: 20_000 });
  const askFor = (increment: Pick<Increment, 'kind' | 'holder' | 'connection'> & Partial<Increment>): Asker => {
    const asker = new Asker();
    const usual = { names: ['tag:t'], slots: 1, ratesOnly: false, ttlMs: null, sender: { label: null, host: null } };
    increments.ask({ ...usual, ...increment }, asker);
    return asker;
  };
  const ask = (id: string): Asker => askFor({ kind: 'tag', holder: { type: 'task_run', id }, connection: 1 });
  const askBare = (connection: number): Asker => askFor({ kind: 'bare', holder: null, connection });
  const limit = (): Limit => replica.engine.state.limits.get('tag:t') as Limit;
  const holders = (): (string | null)[] => [...replica.engine.holders('tag:t')].map(({ holder }) => holder.id);
  const waiters = (): (string | null)[] => replica.engine.waiters('tag:t').map(({ holder }) => holder.id);
  const release = (): void => {
    const [lease] = replica.engine.state.leases.values();
    if (lease) replica.submit({ type: 'release', leaseId: lease.id, token: lease.token });
  };
  return { time, replica, increments, askFor, ask, askBare, limit, holders, waiters, release };
}

describe('an increment whose connection ended before its answer was written', () => {
  it('gives back what it was granted, when nobody repeats it', async () => {
    const { time, increments, ask, holders } = await start();
    const lost = ask('a');
    await time.pass(0);
    const other = ask('b');
    increments.ended(lost, 'unwritten');
    await time.pass(2_999);
    expect([holders(), other.answers]).toEqual([['a'], []]);
    await time.pass(1);
    expect([holders(), other.answers]).toEqual([['b'], ['granted']]);
  });

  it('leaves what it was granted to its repeat, which may be lost as well', async () => {
    const { time, increments, ask, holders } = await start();
    const first = ask('a');
    await time.pass(0);
    increments.ended(first, 'unwritten');
    await time.pass(2_000);
    const second = ask('a');
    increments.ended(second, 'unwritten');
    await time.pass(2_000);
    const third = ask('a');
    await time.pass(0);
    increments.written(third);
    await time.pass(60_000);
    expect([third.answers, holders()]).toEqual([['granted'], ['a']]);
  });

  it('gives back a grant that was decided before and was not durable yet', async () => {
    const { time, increments, ask, holders } = await start();
    const lost = ask('a');
    expect(holders()).toEqual(['a']);
    increments.ended(lost, 'unwritten');
    expect(holders()).toEqual([]);
    await time.pass(0);
    expect(lost.answers).toEqual([]);
  });
});

describe('an increment that is repeated', () => {
  it('between its grant and the answer leaves the grant to the repeat', async () => {
    const { time, replica, ask, holders, release } = await start();
    ask('x');
    await time.pass(0);
    const first = ask('a');
    await time.pass(0);
    release();
    // What the answer lists has changed, so that it waits.
    replica.submit({ type: 'limit.set', name: 'tag:t', id: '', patch: { slots: 2 } });
    let second: Asker | undefined;
    replica.confirm(() => {
      second = ask('a');
    });
    await time.pass(0);
    expect([first.answers, second?.answers, holders()]).toEqual([['full'], ['granted'], ['a']]);
  });

  it('while its answer is on its way gets the same grant once that cannot arrive any more, and not before', async () => {
    const { time, increments, ask, holders } = await start();
    const first = ask('a');
    await time.pass(0);
    expect(first.answers).toEqual(['granted']);
    const second = ask('a');
    await time.pass(1_000);
    expect([second.answers, holders()]).toEqual([[], ['a']]);
    increments.ended(first, 'unwritten');
    await time.pass(0);
    increments.written(second);
    await time.pass(60_000);
    expect([second.answers, holders()]).toEqual([['granted'], ['a']]);
  });
});

describe('an increment that is repeated after its lease has lapsed', () => {
  it('gets another one, since the slots of the first could go to others at any moment', async () => {
    const { time, replica, increments, askFor } = await start();
    const leased = { kind: 'leased', holder: { type: 'task_run', id: 'a' }, connection: 1, ttlMs: 60_000 } as const;
    const first = askFor(leased);
    await time.pass(0);
    increments.written(first);
    increments.ended(first, 'in order');
    await time.pass(70_000);
    const second = askFor(leased);
    await time.pass(0);
    const leases = [...replica.engine.state.leases.values()];
    expect([second.answers, leases.length]).toEqual([['granted'], 1]);
    expect(leases.map(({ id, token }) => replica.engine.isValid(id, token))).toEqual([true]);
  });
});

describe('an increment whose hold is over', () => {
  it('is granted all the same when that was decided before it left the line', async () => {
    const { time, ask, holders, release } = await start();
    ask('x');
    await time.pass(0);
    time.setTimer(20_000, release);
    const waiting = ask('a');
    const asked = ask('b');
    await time.pass(20_000);
    expect([waiting.answers, holders()]).toEqual([['granted'], ['a']]);
    expect(asked.answers).toEqual(['full']);
  });

  it('loses its place when it does not come back', async () => {
    const { time, ask, waiters } = await start();
    ask('x');
    await time.pass(0);
    const away = ask('a');
    await time.pass(20_000);
    expect([away.answers, waiters()]).toEqual([['full'], ['a']]);
    await time.pass(3_000);
    expect(waiters()).toEqual([]);
  });

  it('keeps its place when it comes back while it leaves', async () => {
    const { time, ask, release, waiters } = await start();
    ask('x');
    await time.pass(0);
    const first = ask('a');
    let second: Asker | undefined;
    time.setTimer(20_000, () => {
      second = ask('a');
    });
    await time.pass(20_000);
    expect([first.answers, second?.answers, waiters()]).toEqual([['full'], [], ['a']]);
    release();
    await time.pass(0);
    expect(second?.answers).toEqual(['granted']);
  });
});

describe('a bare increment', () => {
  it('is a lease until its answer has arrived, and then slots without one', async () => {
    const { time, increments, askBare, limit } = await start();
    const asker = askBare(1);
    await time.pass(0);
    increments.written(asker);
    expect([asker.answers, limit().usage.held, limit().usage.taken]).toEqual([['granted'], 1, 1]);
    increments.arrived(asker);
    expect([limit().usage.held, limit().usage.taken]).toEqual([0, 1]);
  });

  it('is left taken when its connection ends in order, however soon', async () => {
    const { time, increments, askBare, limit } = await start();
    const asker = askBare(1);
    await time.pass(0);
    increments.written(asker);
    increments.ended(asker, 'in order');
    expect([limit().usage.held, limit().usage.taken]).toEqual([0, 1]);
  });

  for (const how of ['unwritten', 'reset'] as const) {
    it(`goes back at once when its connection ended ${how}`, async () => {
      const { time, increments, askBare, limit } = await start();
      const lost = askBare(1);
      await time.pass(0);
      if (how === 'reset') increments.written(lost);
      const next = askBare(2);
      increments.ended(lost, how);
      await time.pass(0);
      expect([next.answers, limit().usage.taken]).toEqual([['granted'], 1]);
    });
  }

  it('has not arrived with the slots of another, as long as its answer is not written', async () => {
    const { time, increments, askBare, limit } = await start();
    const asker = askBare(1);
    await time.pass(0);
    increments.arrivedOn(limit(), 1);
    expect(limit().usage.held).toBe(1);
    increments.ended(asker, 'unwritten');
    expect(limit().usage.taken).toBe(0);
  });

  it('over another connection is another one', async () => {
    const { time, increments, askBare } = await start();
    const first = askBare(1);
    await time.pass(0);
    const second = askBare(2);
    const repeat = askBare(2);
    await time.pass(0);
    increments.written(first);
    expect([first.answers, second.answers, repeat.answers]).toEqual([['granted'], ['full'], []]);
  });

  it('that was told to ask again since the journal failed is not left taken', async () => {
    const { time, replica, askBare, limit } = await start();
    await time.pass(0);
    // Its grant is durable; what the answer lists has changed in the next batch, which fails.
    replica.confirm(() => {
      FailingJournal.fails = true;
      replica.submit({ type: 'limit.set', name: 'tag:t', id: '', patch: { slots: 2 } });
    });
    const waiting = askBare(1);
    await time.pass(0);
    expect([waiting.answers, replica.ready]).toEqual([['unavailable'], true]);
    // The limit, the grant, and that it went back.
    expect([replica.engine.state.position, limit().usage.held, limit().usage.taken]).toEqual([3, 0, 0]);
    const again = askBare(1);
    await time.pass(2_000);
    expect([again.answers, limit().usage.held, limit().usage.taken]).toEqual([['granted'], 1, 1]);
  });
});

describe('when the journal fails', () => {
  it('what did not arrive goes back, though nobody asks for anything any more', async () => {
    const { time, replica, increments, ask, holders } = await start();
    const lost = ask('a');
    await time.pass(0);
    increments.ended(lost, 'unwritten');
    FailingJournal.fails = true;
    replica.submit({ type: 'limit.set', name: 'tag:t', id: '', patch: { description: 'x' } });
    await time.pass(0);
    expect([replica.ready, holders()]).toEqual([true, []]);
  });
});

describe('when the server stops', () => {
  it('those who wait are told to ask again, and what did not arrive goes back', async () => {
    const { time, increments, ask, holders } = await start();
    const lost = ask('a');
    await time.pass(0);
    increments.ended(lost, 'unwritten');
    const waiting = ask('b');
    increments.sendAllAway();
    await time.pass(0);
    expect([waiting.answers, holders()]).toEqual([['unavailable'], []]);
  });
});
