/** A grant waits for one write of the journal, its own; and nothing is revealed that is not durable. In order of events, without times. */
import { randomUUID } from 'node:crypto';
import type { LimitPatch } from '@slotkeeper/engine';
import { MemoryStore } from '@slotkeeper/journal';
import { expect, test } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { Replica } from '../../server/src/replica/replica.ts';
import { HeldIncrements } from '../src/increments/held-increments.ts';
import type { Outcome } from '../src/increments/increment.ts';
import { HeldJournal } from './held-journal.ts';
import { ApiServer } from './prefect-server.ts';

async function start() {
  const time = new VirtualTime();
  const journal = new HeldJournal(new MemoryStore(), time);
  const starting = Replica.start(() => journal, time);
  await time.pass(0);
  const replica = await starting;
  const set = (name: string, patch: LimitPatch): void => {
    replica.submit({ type: 'limit.set', name, id: randomUUID(), patch });
  };
  set('tag:t', { slots: 2 });
  await time.pass(0);
  journal.holds = true;
  const increments = new HeldIncrements({ host: replica, clock: time, holdMs: 20_000 });
  const ask = (id: string, slots = 1): Outcome[] => {
    const answers: Outcome[] = [];
    const holder = { type: 'task_run', id };
    const increment = {
      kind: 'tag',
      names: ['tag:t'],
      slots,
      ratesOnly: false,
      holder,
      sender: { label: null, host: null },
      connection: 1,
      ttlMs: null,
    } as const;
    increments.ask(increment, { answer: (outcome) => answers.push(outcome) });
    return answers;
  };
  /** Makes the write under way durable, and begins the next one if there is more. */
  const written = async (): Promise<void> => {
    journal.release();
    await time.pass(0);
  };
  return { time, journal, replica, set, ask, written };
}

/** What an answer says of the sizes of its limits. */
function sizes(answers: readonly Outcome[]): (readonly number[] | string)[] {
  return answers.map((outcome) => (outcome.is === 'granted' ? outcome.limits.map(({ slots }) => slots) : outcome.is));
}

test('a grant is answered after its own write, while the next one is under way', async () => {
  const { time, journal, set, ask, written } = await start();
  const answers = ask('a');
  await time.pass(0);
  set('tag:other', { slots: 1 });
  expect([sizes(answers), journal.heldCount]).toEqual([[], 1]);
  await written();
  expect([sizes(answers), journal.heldCount]).toEqual([[[2]], 1]);
});

test('so is a grant of one that has waited', async () => {
  const { time, journal, replica, set, ask, written } = await start();
  ask('x', 2);
  await time.pass(0);
  const answers = ask('a');
  await written();
  const [lease] = replica.engine.state.leases.values();
  replica.submit({ type: 'release', leaseId: lease!.id, token: lease!.token });
  await time.pass(0);
  set('tag:other', { slots: 1 });
  expect([sizes(answers), journal.heldCount]).toEqual([[], 1]);
  await written();
  expect([sizes(answers), journal.heldCount]).toEqual([[[2]], 1]);
});

test('an answer does not reveal a change of its limit before that is durable, and then tells it', async () => {
  const { time, set, ask, written } = await start();
  const answers = ask('a');
  await time.pass(0);
  set('tag:t', { slots: 7 });
  await written();
  expect(sizes(answers)).toEqual([]);
  await written();
  expect(sizes(answers)).toEqual([[7]]);
});

test('nor that its limit is switched off, or deleted', async () => {
  for (const command of [
    { type: 'limit.set', name: 'tag:t', id: '', patch: { active: false } },
    { type: 'limit.delete', name: 'tag:t', force: true },
  ] as const) {
    const { time, replica, ask, written } = await start();
    const answers = ask('a');
    await time.pass(0);
    replica.submit(command);
    await written();
    expect(sizes(answers)).toEqual([]);
    await written();
    expect(answers.map(({ is }) => is)).toEqual(['granted']);
  }
});

test('a grant that a change of its limit made possible tells the change', async () => {
  const { time, set, ask, written } = await start();
  const answers = ask('a', 2);
  const waits = ask('b', 2);
  await time.pass(0);
  set('tag:t', { slots: 4 });
  await written();
  expect([sizes(answers), sizes(waits)]).toEqual([[], []]);
  await written();
  expect([sizes(answers), sizes(waits)]).toEqual([[[4]], [[4]]]);
});

test('over HTTP an increment, a decrement and a release are answered after one write each', async () => {
  const journals: HeldJournal[] = [];
  const server = await ApiServer.start({
    journal: (store, clock) => {
      const journal = new HeldJournal(store, clock);
      journals.push(journal);
      return journal;
    },
  });
  await server.limit('t', 1);
  await server.globalLimit('x', 3);
  const [journal] = journals as [HeldJournal];
  journal.holds = true;
  let leaseId = '';
  const taskRun = randomUUID();
  const asks = [
    () => server.connect().increment(taskRun, 't'),
    () => server.connect().decrement(taskRun, 't'),
    () => server.connect().take('increment', ['x'], 1),
    () => server.connect().giveBack(['x'], 1),
    () => server.connect().take('increment-with-lease', ['x'], 1),
    () => server.connect().post('/v2/concurrency_limits/decrement-with-lease', { lease_id: leaseId }),
  ];
  for (const [i, ask] of asks.entries()) {
    const asked = ask();
    await journal.begun();
    // Something else is decided meanwhile: its write is the next one.
    const id = randomUUID();
    server.replica.submit({ type: 'limit.ensure', name: `other-${i}`, id, patch: { slots: 1 } });
    journal.release();
    const answer = await asked;
    expect([i, answer.status < 300]).toEqual([i, true]);
    leaseId = (answer.body as { lease_id?: string } | undefined)?.lease_id ?? '';
    await journal.begun();
    journal.release();
    await server.until(() => server.replica.durablePosition === server.replica.engine.state.position);
  }
  journal.holds = false;
});
