import { canonical } from '@slotkeeper/engine';
import { replay } from '@slotkeeper/journal';
import { expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { Replica } from '../src/replica/replica.ts';
import { ensure } from './commands.ts';
import { Script } from './scripted-journal.ts';

const EVERY_FACTS = 10;

/** A fact a millisecond, without a pause: there is always a batch that is open, and one that is written. */
async function traffic(script: Script, replica: Replica, facts: number): Promise<void> {
  for (let i = 0; i < facts; i += 1) {
    const slots = 1 + (replica.engine.state.position % 1_000);
    replica.submit({ type: 'limit.set', name: 'l', id: 'l', patch: { slots } });
    await script.time.pass(1);
  }
}

async function start(script = new Script(new VirtualTime())): Promise<{ script: Script; replica: Replica }> {
  script.appendMs = 3;
  const replica = await Replica.start(script.journal, script.time, { snapshotEveryFacts: EVERY_FACTS });
  return { script, replica };
}

it('as many snapshots are stored as are due, though each append takes a while and the next batch never waits', async () => {
  const { script, replica } = await start();
  await traffic(script, replica, 830);
  await script.time.pass(10);
  // Begun as a batch is closed: with batches of three facts, every twelve facts.
  expect(script.stored).toHaveLength(69);
  for (const [i, position] of script.stored.entries())
    expect(position - (script.stored[i - 1] ?? 0)).toBeLessThan(EVERY_FACTS + 3);
  const followed = await script.journal().follow();
  expect(followed.snapshot?.position).toBe(script.stored.at(-1));
  expect(canonical(await replay(followed))).toBe(canonical(replica.engine.state));
});

it('batches go on while a snapshot is stored, and another one is begun after it', async () => {
  const { script, replica } = await start();
  script.snapshotMs = 40;
  const durable: number[] = [];
  replica.on({ flushed: () => durable.push(replica.durablePosition) });
  await traffic(script, replica, 200);
  expect(durable.length).toBeGreaterThan(60);
  expect(script.stored.length).toBeGreaterThanOrEqual(4);
  expect(replica.ready).toBe(true);
});

it('a snapshot whose batch was not written is not stored', async () => {
  const { script, replica } = await start();
  for (const failure of ['append before the write', 'append after the write'] as const) {
    const before = replica.engine.state.position;
    for (let i = 0; i < EVERY_FACTS; i += 1) replica.submit(ensure(`${failure} ${i}`));
    script.fails.add(failure);
    await script.time.pass(2_000);
    // What it finds in the journal as it starts again is durable: a snapshot of that is due at once.
    const written = failure === 'append after the write' ? EVERY_FACTS : 0;
    expect(replica.engine.state.position - before).toBe(written);
    expect(script.stored).toEqual(written === 0 ? [] : [written]);
  }
});

it('a start replays nothing after a stop, and a state that is not durable is no snapshot', async () => {
  const { script, replica } = await start();
  await traffic(script, replica, 5);
  // Decided as the last batch is delivered, and lost.
  replica.confirm(() => replica.submit(ensure('late')));
  const stopped = replica.stop();
  await script.time.pass(20);
  await stopped;
  expect(script.store.position).toBe(5);
  expect(script.stored).toEqual([]);

  const again = await Replica.start(script.journal, script.time, { snapshotEveryFacts: EVERY_FACTS });
  expect(again.engine.state.position).toBe(5);
  const stoppedAgain = again.stop();
  await script.time.pass(20);
  await stoppedAgain;
  expect(script.stored).toEqual([5]);
});

it('a state that grows is stored each time that it has doubled, so that a fact costs two rows of snapshots at the most', async () => {
  const { script, replica } = await start();
  for (let i = 0; i < 1_000; i += 1) {
    replica.submit(ensure(`l${i}`));
    await script.time.pass(1);
  }
  await script.time.pass(10);
  expect(script.stored.length).toBeGreaterThanOrEqual(5);
  expect(script.stored.length).toBeLessThanOrEqual(8);
  expect(script.stored.reduce((rows, position) => rows + position, 0)).toBeLessThan(2 * 1_000);
});
