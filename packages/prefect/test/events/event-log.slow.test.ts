/** The threads of the events, with one client's queries that take long and one client's events that are long. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { instant } from '../../src/api/timestamps.ts';
import { filterReader } from '../../src/events/api/filter-body.ts';
import type { PrefectEvent } from '../../src/events/event.ts';
import type { EventFilter } from '../../src/events/store/event-filter.ts';
import { EventLog } from '../../src/events/store/event-log.ts';
import { clientEvent, temporaryFolder } from './events-server.ts';

const PAGE = { offset: 0, limit: 50, upTo: null, counts: true };
const EVENTS = 20;

const filter = (asked: object): EventFilter => filterReader(Date.now())(asked, []) as EventFilter;

/** As costly as a filter may be, on labels that are as long as an event may be: some seconds. */
const costly = filter({ resource: { labels: { label: `*${'a?'.repeat(511)}` } } });

function longEvent(number: number): PrefectEvent {
  const { id, event, payload } = clientEvent(number);
  const resource = { 'prefect.resource.id': `x.${number}`, label: 'b'.repeat(900_000) };
  return { id, event, payload, resource, occurred: instant(Date.now() - 60_000), related: [], follows: null };
}

function add(log: EventLog, event: PrefectEvent): Promise<number> {
  return log.call('add', [event], instant(Date.now()), Date.now());
}

async function logWithLongEvents(options: { queryMs?: number } = {}): Promise<EventLog> {
  const log = new EventLog(join(temporaryFolder(), 'events.db'), options);
  onTestFinished(() => log.close());
  for (let number = 0; number < EVENTS; number += 1) await add(log, longEvent(number));
  return log;
}

it('while a query looks through long events, others are answered and what comes is kept', async () => {
  const log = await logWithLongEvents();
  const order: string[] = [];
  const told = (name: string) => () => void order.push(name);
  const query = log.call('page', costly, PAGE).then(({ total }) => order.push(`all but ${total}`));
  // It has begun: the reader takes its calls in turn.
  await log.call('after', Number.MAX_SAFE_INTEGER, filter({}), 1, 1);
  await Promise.all([
    add(log, longEvent(EVENTS)).then(told('kept')),
    log.call('page', filter({ resource: { id: ['x.3'] } }), PAGE).then(told('another query')),
    query,
  ]);
  expect(order.slice(0, 2).sort()).toEqual(['another query', 'kept']);
  expect(order.at(-1)).toBe('all but 0');
});

it('a query that has had its time is given up, and nothing else is', async () => {
  const log = await logWithLongEvents({ queryMs: 100 });
  const others = [log.call('page', costly, PAGE), log.call('page', filter({}), PAGE), log.call('head')];
  const outcomes = await Promise.allSettled(others);
  expect(outcomes).toMatchObject([
    { status: 'rejected', reason: { name: 'TooManyEventsError', message: 'It took longer than 0.1 s.' } },
    { status: 'fulfilled', value: { total: EVENTS } },
    { status: 'fulfilled' },
  ]);
});

it('a query that takes long does not keep the log from closing', async () => {
  const log = await logWithLongEvents();
  const query = expect(log.call('page', costly, PAGE)).rejects.toThrow('The thread of the events: it ended');
  await log.call('after', Number.MAX_SAFE_INTEGER, filter({}), 1, 1);
  await log.close();
  await query;
});

it('a follower hears of everything, also of what is kept while it looks', async () => {
  const log = new EventLog(join(temporaryFolder(), 'events.db'));
  onTestFinished(() => log.close());
  const heard = new Set<string>();
  const stop = new AbortController();
  const all = filter({ occurred: { until: instant(Date.now() + 60_000) } });
  const follower = (async () => {
    for (let seq = (await log.call('head')).seq; heard.size < 500; ) {
      const slice = await log.call('after', seq, all, 7, 11);
      for (const event of slice.events) heard.add(JSON.parse(event).id);
      if (slice.seq === seq) await log.newer(seq, stop.signal);
      seq = slice.seq;
    }
  })();
  for (let number = 0; number < 500; number += 1) {
    const { id, event, payload, resource } = clientEvent(number);
    await add(log, { id, event, payload, resource, occurred: instant(Date.now()), related: [], follows: null });
  }
  await follower;
  expect(heard.size).toBe(500);
});
