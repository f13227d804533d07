import { MemoryStore } from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { Replica } from '../src/replica/replica.ts';
import { endOf, ensure, open, requestFor } from './commands.ts';
import { Script } from './scripted-journal.ts';

async function start(script = new Script(new VirtualTime())) {
  const replica = await Replica.start(script.journal, script.time);
  await script.time.pass(0);
  const ended: string[] = [];
  const end = (who: string) => (outcome: Parameters<typeof endOf>[0]) => ended.push(`${who} ${endOf(outcome)}`);
  replica.on({ failed: () => ended.push('failed') });
  return { script, replica, ended, end };
}

it('a replica begins at the time of the store, whatever the clock on its own wall says', async () => {
  const script = new Script(new VirtualTime());
  for (const aheadMs of [3_600_000, 7_200_000]) {
    script.nowMs = script.time.wallMs() + aheadMs;
    const { replica } = await start(script);
    expect(replica.engine.nowMs).toBe(script.nowMs);
    replica.submit(ensure(`a${aheadMs}`));
    await script.time.pass(0);
    expect(script.store.facts.at(-1)?.at).toBe(script.nowMs);
    await replica.stop();
  }
  // And never before its last fact.
  const lastMs = script.nowMs;
  script.nowMs = script.time.wallMs();
  expect((await start(script)).replica.engine.nowMs).toBe(lastMs);
});

describe('what is decided while a batch is written', () => {
  it('forms the next one, which is written when that is durable', async () => {
    const { script, replica, ended, end } = await start();
    script.appendMs = 3;
    replica.submit(ensure('a'), end('first'));
    await script.time.pass(1);
    replica.submit(ensure('b'), end('second'));
    replica.submit(ensure('c'), end('third'));
    await script.time.pass(2);
    expect([ended, replica.durablePosition]).toEqual([['first durable'], 1]);
    await script.time.pass(3);
    expect([ended, replica.durablePosition]).toEqual([['first durable', 'second durable', 'third durable'], 3]);
  });
});

describe('a batch without facts', () => {
  it('is delivered in the same turn where the journal is certain at no cost', async () => {
    const { script, replica, ended, end } = await start();
    replica.confirm(end('read'));
    replica.submit({ type: 'limit.delete', name: 'nope', force: false }, end('refused'));
    const turns: string[][] = [];
    script.time.soon(() => turns.push([...ended]));
    await script.time.pass(0);
    expect(turns).toEqual([['read durable', 'refused LIMIT_NOT_FOUND']]);
  });

  it('is not delivered before the journal has confirmed that this replica leads', async () => {
    const { script, replica, ended, end } = await start();
    script.confirmMs = 5;
    replica.confirm(end('read'));
    replica.submit({ type: 'limit.delete', name: 'nope', force: false }, end('refused'));
    replica.submit(open('one'), end('opened'));
    await script.time.pass(4);
    expect(ended).toEqual([]);
    // This one has arrived after the look began: it needs the next.
    replica.confirm(end('later read'));
    await script.time.pass(1);
    expect([ended, script.confirmed]).toEqual([['read durable', 'refused LIMIT_NOT_FOUND', 'opened durable'], 2]);
    await script.time.pass(4);
    expect(ended).toHaveLength(3);
    await script.time.pass(1);
    expect(ended).toHaveLength(4);
  });

  it('is another matter than one with facts, whose append is the look', async () => {
    const { script, replica, ended, end } = await start();
    replica.submit(ensure('a'));
    await script.time.pass(0);
    script.confirmMs = 5;
    const waits = [requestFor('l', 'a')];
    replica.submit(open('one', waits), end('opened'), (notice) => ended.push(notice.type));
    await script.time.pass(0);
    expect([ended, script.confirmed]).toEqual([['queued', 'granted', 'opened durable'], 0]);
  });

  it('needs no confirmation when nobody waits for it', async () => {
    const { script, replica } = await start();
    script.confirmMs = 5;
    replica.submit(open('one'));
    await script.time.pass(100);
    expect(script.confirmed).toBe(0);
  });

  it('is lost when the confirmation fails, with all that was decided since', async () => {
    const { script, replica, ended, end } = await start();
    script.confirmMs = 5;
    script.fails.add('confirm');
    replica.confirm(end('read'));
    await script.time.pass(1);
    replica.submit(ensure('a'), end('decided since'));
    await script.time.pass(4);
    expect(ended).toEqual(['read lost', 'decided since lost', 'failed']);
    expect(script.store.position).toBe(0);
    expect(replica.ready).toBe(true);
  });
});

it('a replica that another one has displaced answers nothing any more', async () => {
  const time = new VirtualTime();
  const store = new MemoryStore();
  const { replica, ended, end } = await start(new Script(time, store));
  const later = await start(new Script(time, store));
  later.replica.submit(ensure('a'), later.end('its own'));
  await time.pass(0);
  expect(later.ended).toEqual(['its own durable']);
  // It does not know of the limit.
  replica.confirm(end(`read ${replica.engine.state.limits.size}`));
  await time.pass(0);
  expect(ended).toEqual(['read 0 lost', 'failed']);
});
