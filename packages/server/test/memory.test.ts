/** What an engine in memory keeps: its state, and of its history only what a replica that starts again needs. */
import { randomUUID } from 'node:crypto';
import { canonical } from '@slotkeeper/engine';
import { MemoryJournal, MemoryStore, replay } from '@slotkeeper/journal';
import { type Channel, type ClientFrame, type ClientMessage, type ServerFrame, VERSIONS } from '@slotkeeper/protocol';
import { expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { IN_MEMORY, openEmbedded } from '../src/embedded.ts';
import { Replica } from '../src/replica/replica.ts';
import { acquire, BROKEN, ensure, open } from './commands.ts';
import { wait } from './wire.ts';

/** Between two snapshots, and what comes while one is stored. */
const FACTS_MAX = 2 * IN_MEMORY.snapshotEveryFacts;

async function manyPairs(replica: Replica, time: VirtualTime, count: number, turn: () => void): Promise<void> {
  for (let done = 1; done <= count; done += 1) {
    replica.submit(acquire('s', 'lease', 'db'));
    const token = replica.engine.state.leases.get('lease')?.token as number;
    replica.submit({ type: 'release', sessionId: 's', leaseId: 'lease', token });
    if (done % 500 !== 0) continue;
    await time.pass(1);
    turn();
  }
}

it('200,000 acquires and releases leave a bounded number of facts, and a replica that fails has its state again', async () => {
  const store = new MemoryStore();
  const time = new VirtualTime();
  const replica = await Replica.start(() => new MemoryJournal(store, time), time, IN_MEMORY);
  replica.submit(ensure('db'));
  replica.submit(ensure('kept'));
  replica.submit(open('s'));
  replica.submit(acquire('s', 'held', 'kept'));
  let most = 0;
  await manyPairs(replica, time, 200_000, () => {
    most = Math.max(most, store.facts.length);
  });
  expect(store.position).toBeGreaterThan(400_000);
  expect(most).toBeLessThanOrEqual(FACTS_MAX);

  const before = canonical(replica.engine.state);
  expect(canonical(await replay(await new MemoryJournal(store, time).follow()))).toBe(before);
  replica.submit(BROKEN);
  await time.pass(1_000);
  expect(replica.ready).toBe(true);
  expect(replica.engine.state.leases.has('held')).toBe(true);
  await replica.stop();
});

it('the embedded engine keeps no more than that', async () => {
  const store = new MemoryStore();
  const embedded = await openEmbedded({ store });
  const pairs = 11_000;
  let most = 0;
  await new Promise<void>((resolve) => {
    let number = 0;
    let released = 0;
    const send = (...messages: ClientMessage[]): void => {
      number += 1;
      channel.send({ number, messages });
    };
    const ask = (count: number): ClientMessage[] =>
      Array.from({ length: count }, () => ({ type: 'acquire', request: wait([['db', 1]]) }));
    const channel: Channel<ClientFrame> = embedded.dial({
      frame({ messages }: ServerFrame) {
        const granted = messages.filter((message) => message.type === 'granted');
        if (granted.length === 0) return;
        most = Math.max(most, store.facts.length);
        released += granted.length;
        send(
          ...granted.map(({ leaseId, grant }): ClientMessage => ({ type: 'release', leaseId, token: grant.token })),
          ...ask(released < pairs ? granted.length : 0),
        );
        if (released >= pairs) resolve();
      },
      garbled: (problem) => expect.fail(problem.message),
      closed: () => {},
    });
    const hello = { versionMin: VERSIONS.min, versionMax: VERSIONS.max, sessionId: randomUUID(), connection: 1 };
    send({ type: 'hello', ...hello, ttlMs: null, apiKey: null }, { type: 'ready' });
    const spec = { slots: 200 };
    send({ type: 'call', id: 1, method: 'limits.ensure', params: { name: 'db', spec } }, ...ask(200));
  });
  await embedded.close();
  expect(store.position).toBeGreaterThan(2 * pairs - 1_000);
  expect(most).toBeLessThanOrEqual(FACTS_MAX);
});
