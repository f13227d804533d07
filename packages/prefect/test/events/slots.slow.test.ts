/** What happens to slots and limits is reported as events, once each, even if the server dies meanwhile. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MemoryStore } from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../../../test/virtual-time.ts';
import { clientEvent, EventsServer, idOfLimit, type ToldEvent, temporaryFolder } from './events-server.ts';

const OF_SLOTS = {
  event: { prefix: ['prefect.concurrency-limit.'], exclude_name: ['prefect.concurrency-limit.created'] },
};

function told({ event, resource, payload }: ToldEvent): unknown[] {
  return [event.replace('prefect.concurrency-limit.', ''), resource['prefect.resource.name'], payload.cause];
}

describe('a grant and its end', () => {
  it('are told in the form of Prefect’s clients', async () => {
    const server = await EventsServer.start();
    server.limit('db', 4);
    server.limit('gpu', 2);
    const amounts = [
      ['db', 3],
      ['gpu', 1],
    ] as const;
    const token = await server.acquire('l1', amounts);
    server.submit({ type: 'release', leaseId: 'l1', token });
    const events = await server.settled(4, OF_SLOTS);
    expect(events.map(told)).toEqual([
      ['acquired', 'db', undefined],
      ['acquired', 'gpu', undefined],
      ['released', 'db', 'returned'],
      ['released', 'gpu', 'returned'],
    ]);
    const [acquired, , released] = events;
    expect(acquired).toEqual({
      occurred: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      event: 'prefect.concurrency-limit.acquired',
      resource: {
        'prefect.resource.id': `prefect.concurrency-limit.${idOfLimit('db')}`,
        'prefect.resource.name': 'db',
        'slots-acquired': '3',
        limit: '4',
      },
      related: [
        {
          'prefect.resource.id': `prefect.concurrency-limit.${idOfLimit('gpu')}`,
          'prefect.resource.role': 'concurrency-limit',
        },
      ],
      payload: {},
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      follows: null,
      received: acquired?.occurred,
    });
    expect(released).toMatchObject({ resource: acquired?.resource, related: acquired?.related, follows: acquired?.id });
  });
});

describe('nobody who asks', () => {
  it('costs no thread and no file, and the first who does is told what happened before', async () => {
    const folder = temporaryFolder();
    const first = await EventsServer.start({ folder });
    const threads = new Set<unknown>();
    process.on('worker', (worker) => threads.add(worker));
    first.limit('db');
    const token = await first.acquire('l1', [['db', 1]]);
    await first.close();
    const second = await EventsServer.start({ folder });
    second.submit({ type: 'release', leaseId: 'l1', token });
    expect(existsSync(join(folder, 'events.db'))).toBe(false);
    expect(threads.size).toBe(0);
    const { events } = await second.filter({ ...OF_SLOTS, order: 'ASC' });
    expect(events.map(told)).toEqual([
      ['acquired', 'db', undefined],
      ['released', 'db', 'returned'],
    ]);
    expect(threads.size).toBe(2);
  });
});

describe('a holder that is killed', () => {
  it('has its end told, with the reason', async () => {
    const clock = new VirtualTime(new Date(Date.now() - 60_000));
    const server = await EventsServer.start({ clock });
    server.limit('db');
    const acquired = server.acquire('l1', [['db', 1]], { ttlMs: 10_000 });
    await clock.pass(0);
    await acquired;
    await clock.pass(30_000);
    const [, released] = await server.settled(2, OF_SLOTS);
    expect(released).toMatchObject({
      event: 'prefect.concurrency-limit.released',
      payload: { cause: 'expired', occupancy_seconds: 20 },
    });
  });

  it('has its end told as its limit is deleted', async () => {
    const server = await EventsServer.start();
    server.limit('db');
    await server.acquire('l1', [['db', 1]]);
    server.submit({ type: 'limit.delete', name: 'db', force: true });
    const events = await server.settled(3, OF_SLOTS);
    expect(events.map(told)).toEqual([
      ['acquired', 'db', undefined],
      ['released', 'db', 'revoked'],
      ['deleted', 'db', undefined],
    ]);
    expect(events[1]?.payload.reason).toMatch(/deleted/);
  });
});

describe('a server that starts again', () => {
  it('goes on where it was', async () => {
    const folder = temporaryFolder();
    const first = await EventsServer.start({ folder });
    first.limit('db');
    const token = await first.acquire('l1', [['db', 1]]);
    const [acquired] = await first.settled(1, OF_SLOTS);
    await first.close();
    const second = await EventsServer.start({ folder });
    second.submit({ type: 'release', leaseId: 'l1', token });
    const events = await second.settled(2, OF_SLOTS);
    expect(events.map(told)).toEqual([
      ['acquired', 'db', undefined],
      ['released', 'db', 'returned'],
    ]);
    expect(events[0]).toEqual(acquired);
    expect(events[1]?.follows).toBe(acquired?.id);
  });

  it('tells what had happened before it kept events', async () => {
    const store = new MemoryStore();
    const first = await EventsServer.start({ store });
    first.limit('db');
    const token = await first.acquire('l1', [['db', 1]]);
    const before = await first.settled(1, OF_SLOTS);
    await first.close();
    const second = await EventsServer.start({ store });
    second.submit({ type: 'release', leaseId: 'l1', token });
    const events = await second.settled(2, OF_SLOTS);
    expect(events.slice(0, 1)).toEqual(before);
  });

  it('without a history goes on from what is the case', async () => {
    const store = new MemoryStore();
    const first = await EventsServer.start({ store });
    first.limit('db');
    const token = await first.acquire('l1', [['db', 2]]);
    const [acquired] = await first.settled(1, OF_SLOTS);
    await first.close();
    store.removed += store.facts.splice(0).length;
    const second = await EventsServer.start({ store });
    await second.filter();
    second.submit({ type: 'release', leaseId: 'l1', token });
    const [released] = await second.settled(1, OF_SLOTS);
    expect(released).toMatchObject({
      event: 'prefect.concurrency-limit.released',
      resource: acquired?.resource,
      follows: acquired?.id,
    });
  });

  it('over another journal goes on from what is the case there', async () => {
    const folder = temporaryFolder();
    const first = await EventsServer.start({ folder });
    first.limit('db');
    first.limit('gpu');
    await first.settled(2);
    await first.close();
    const other = temporaryFolder();
    const elsewhere = await EventsServer.start({ folder: other });
    elsewhere.limit('other');
    elsewhere.limit('db', 7);
    await elsewhere.close();
    const second = await EventsServer.start({ folder: other, eventsFolder: folder });
    await second.filter();
    const token = await second.acquire('l1', [['db', 1]]);
    second.submit({ type: 'release', leaseId: 'l1', token });
    const events = await second.settled(2, OF_SLOTS);
    expect(events.map(({ resource }) => resource.limit)).toEqual(['7', '7']);
  });

  it('whose journal does not go on from what it knows goes on from what is the case', async () => {
    const folder = temporaryFolder();
    const first = await EventsServer.start({ folder });
    first.limit('db');
    await first.settled(1);
    await first.close();
    const file = new DatabaseSync(join(folder, 'events.db'));
    file.exec('DELETE FROM projection_state');
    file.close();
    const second = await EventsServer.start({ folder });
    await second.acquire('l1', [['db', 1]]);
    await second.filter();
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = setInterval(() => second.warnings.length > 0 && resolve());
    await promise.finally(() => clearInterval(look));
    await second.acquire('l2', [['db', 1]]);
    const [acquired] = await second.settled(1, OF_SLOTS);
    expect(acquired).toMatchObject({ event: 'prefect.concurrency-limit.acquired' });
    expect(second.warnings).toEqual([expect.stringContaining("limit 'db', which does not exist")]);
  });

  it('with a file that cannot be opened says so and goes on, and has all events once it can be', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'events.db');
    mkdirSync(file);
    const server = await EventsServer.start({ folder });
    expect((await server.post('/events/filter', {})).status).toBe(503);
    expect(server.warnings).toEqual([expect.stringMatching(/^Events lag behind until this is over: .*open/)]);
    server.limit('db');
    await server.acquire('l1', [['db', 1]]);
    expect((await server.post('/events', [clientEvent(1)])).status).toBe(503);
    expect((await server.post('/events/filter', {})).status).toBe(503);
    rmdirSync(file);
    expect((await server.settled(2)).map(told)).toEqual([
      ['created', 'db', undefined],
      ['acquired', 'db', undefined],
    ]);
    expect(server.warnings.length).toBe(1);
  });

  it('with a file that nobody can read makes it anew', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'events.db'), 'no database, but long enough to be looked at'.repeat(100));
    const server = await EventsServer.start({ folder });
    server.limit('db');
    expect((await server.settled(1)).map(told)).toEqual([['created', 'db', undefined]]);
    expect(server.warnings).toEqual([]);
  });
});
