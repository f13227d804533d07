/** What is kept of events, and for how long. */
import { copyFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fact } from '@slotkeeper/engine';
import { expect, it, onTestFinished } from 'vitest';
import { instant } from '../../src/api/timestamps.ts';
import { filterReader } from '../../src/events/api/filter-body.ts';
import type { PrefectEvent } from '../../src/events/event.ts';
import type { EventFilter } from '../../src/events/store/event-filter.ts';
import { BYTES_MAX } from '../../src/events/store/event-log.ts';
import type { Page } from '../../src/events/store/event-table.ts';
import { EventStore } from '../../src/events/store/store.ts';

const NOW_MS = Date.parse('2026-11-24T12:00:00Z');
const DAY_MS = 24 * 3_600_000;
const ALL = filterReader(NOW_MS + 365 * DAY_MS)({ occurred: { since: '2026-01-01' } }, []) as EventFilter;

function open({ bytesMax = BYTES_MAX } = {}): EventStore {
  const store = new EventStore(null, { bytesMax });
  onTestFinished(() => store.close());
  return store;
}

function event(number: number, atMs = NOW_MS): PrefectEvent {
  return {
    id: `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`,
    occurred: instant(atMs),
    event: 'shop.order.placed',
    resource: { 'prefect.resource.id': `shop.order.${number}` },
    related: [],
    payload: { text: 'x'.repeat(500) },
    follows: null,
  };
}

function add(store: EventStore, events: readonly PrefectEvent[], nowMs = NOW_MS): void {
  store.add(events, instant(nowMs), nowMs);
}

function page(store: EventStore, limit = 50): Page {
  const query = store.events.page(ALL, { offset: 0, limit, upTo: null, counts: true });
  for (;;) {
    const next = query.next();
    if (next.done) return next.value;
  }
}

/** The numbers of the newest events, the newest first, and how many there are. */
function kept(store: EventStore, limit = 50): { newest: number[]; total: number } {
  const { events, total } = page(store, limit);
  return { newest: events.map((text) => Number(JSON.parse(text).id.slice(-12))), total };
}

it('events go after a week, whatever time they say that they are of', () => {
  const store = open();
  add(store, [event(1, NOW_MS - 5 * DAY_MS), event(2, NOW_MS + 100 * DAY_MS)]);
  add(store, [event(3)], NOW_MS + 6.9 * DAY_MS);
  expect(kept(store).newest).toEqual([2, 3, 1]);
  add(store, [event(4)], NOW_MS + 7.1 * DAY_MS);
  expect(kept(store).newest).toEqual([4, 3]);
});

it('the oldest events go when there are too many', () => {
  const store = open({ bytesMax: 1_000_000 });
  for (let number = 0; number < 20_000; number += 100) {
    add(
      store,
      Array.from({ length: 100 }, (_, i) => event(number + i, NOW_MS + number + i)),
    );
  }
  const { newest, total } = kept(store, 3);
  expect(newest).toEqual([19_999, 19_998, 19_997]);
  expect(total).toBeLessThan(6_000);
});

it('numbers go on rising when all events are gone', () => {
  const store = open();
  add(store, [event(1), event(2)]);
  const { seq } = store.head();
  add(store, [], NOW_MS + 8 * DAY_MS);
  expect(kept(store).total).toBe(0);
  add(store, [event(3)], NOW_MS + 8 * DAY_MS);
  expect(store.head().seq).toBeGreaterThan(seq);
});

it('who follows is past all that is gone, so that what comes next is new', () => {
  const store = open();
  add(store, [event(1), event(2)]);
  const { seq } = store.head();
  add(store, [], NOW_MS + 8 * DAY_MS);
  expect(store.events.after(seq - 1, ALL, 10, 10)).toEqual({ events: [], seq });
});

it('who follows is told about a mebibyte at once', () => {
  const store = open();
  const long = { payload: { text: 'x'.repeat(400_000) } };
  add(
    store,
    [1, 2, 3, 4].map((number) => ({ ...event(number), ...long })),
  );
  const first = store.events.after(0, ALL, 10, 10);
  expect(first.events).toHaveLength(3);
  expect(store.events.after(first.seq, ALL, 10, 10).events).toHaveLength(1);
});

const SETTINGS = { slots: 1, slotDecayPerSecond: null, active: true, mode: 'open', overtakes: 16 } as const;
const limit: Fact = {
  type: 'limit.set',
  at: NOW_MS,
  name: 'db',
  id: 'id-of-db',
  settings: { ...SETTINGS, maxWaiters: null, description: null },
  by: null,
};
const granted: Fact = {
  type: 'lease.granted',
  at: NOW_MS + 1,
  leaseId: 'l',
  sessionId: 's',
  lifeline: 'heartbeat',
  ttlMs: 15_000,
  amounts: [['db', 1]],
  holder: { type: null, id: null, label: null, host: null, pid: null },
  refunds: false,
  origin: 'session',
};
const released: Fact = { type: 'lease.released', at: NOW_MS + 2, leaseId: 'l', names: null, how: 'returned' };

it('facts of which one does not fit change nothing', () => {
  const store = open();
  store.fold(0, [limit], NOW_MS);
  expect(() => store.fold(1, [granted, { ...released, leaseId: 'unknown' }], NOW_MS)).toThrow(/no grant/);
  expect(store.head()).toMatchObject({ position: 1, atMs: NOW_MS });
  store.fold(1, [granted, released], NOW_MS);
  expect(kept(store).total).toBe(3);
});

it('facts are folded in their order, each once', () => {
  const store = open();
  store.fold(0, [limit, granted], NOW_MS);
  expect(() => store.fold(0, [limit], NOW_MS)).toThrow('facts after 0 cannot follow those up to 2');
  expect(() => store.fold(3, [released], NOW_MS)).toThrow('facts after 3 cannot follow those up to 2');
});

it('a grant and its end in one go leave nothing behind', () => {
  const store = open();
  store.fold(0, [limit, granted, released], NOW_MS);
  expect(() => store.fold(3, [{ ...released, at: NOW_MS + 3 }], NOW_MS)).toThrow(/no grant/);
});

it('is for its owner alone, also where an earlier version left it open to others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
  const file = join(folder, 'events.db');
  await writeFile(file, '', { mode: 0o644 });
  const store = new EventStore(file, { bytesMax: BYTES_MAX });
  onTestFinished(async () => {
    store.close();
    await rm(folder, { recursive: true, force: true });
  });
  add(store, [event(1)]);
  for (const name of await readdir(folder))
    expect([name, (await stat(join(folder, name))).mode & 0o777]).toEqual([name, 0o600]);
});

it('a file that an earlier version wrote goes on where it was, with the events of clients and the untracked slots', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-events-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'events.db');
  // A bare increment whose lease is over, a lease, and an event of a client.
  await copyFile(join(import.meta.dirname, 'events-of-format-1.db'), file);
  const store = new EventStore(file, { bytesMax: BYTES_MAX });
  onTestFinished(() => store.close());
  const names = (): string[] =>
    page(store)
      .events.map((text) => (JSON.parse(text) as PrefectEvent).event.replace('prefect.concurrency-limit.', ''))
      .sort();
  const before = ['acquired', 'acquired', 'created', 'shop.order.placed'];
  expect([store.head().position, names()]).toEqual([4, before]);
  const at = Date.parse('2026-11-30T12:00:05Z');
  store.fold(4, [{ type: 'untracked.returned', at, amounts: [['db', 1]] }], at);
  expect([store.head().position, names()]).toEqual([5, [...before.slice(0, 3), 'released', 'shop.order.placed']]);
});

it('no event has occurred later than now, whatever the time of its fact; its id is as ever', () => {
  const [late, right] = [open(), open()];
  const facts = [limit, granted, released];
  late.fold(0, facts, NOW_MS - 3_600_000);
  right.fold(0, facts, NOW_MS + 3_600_000);
  const of = (store: typeof late) =>
    store.events.after(0, ALL, 10, 10).events.map((text) => JSON.parse(text) as PrefectEvent);
  expect(of(late).map(({ occurred }) => occurred)).toEqual(Array(3).fill(instant(NOW_MS - 3_600_000)));
  expect(of(right).map(({ occurred }) => occurred)).toEqual([0, 1, 2].map((ms) => instant(NOW_MS + ms)));
  expect(of(late).map(({ id }) => id)).toEqual(of(right).map(({ id }) => id));
});
