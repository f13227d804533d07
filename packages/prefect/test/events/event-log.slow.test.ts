/** The thread of the events, when it is at something that does not end. */
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../../../test/eventually.ts';
import { instant } from '../../src/api/timestamps.ts';
import { filterReader } from '../../src/events/api/filter-body.ts';
import type { EventFilter } from '../../src/events/store/event-filter.ts';
import { EventLog } from '../../src/events/store/event-log.ts';
import { clientEvent } from './events-server.ts';

const PAGE = { offset: 0, limit: 50, upTo: null, counts: true };

/** A pattern and a text to which it takes hours to compare it. */
const LONG = 400_000;
const endless = filterReader(Date.now())(
  { resource: { labels: { label: `*${'a'.repeat(LONG)}b` } } },
  [],
) as EventFilter;

async function logWithEvent(options: { callMs?: number } = {}): Promise<EventLog> {
  const log = new EventLog(null, options);
  onTestFinished(() => log.close());
  const nowMs = Date.now();
  const { id, event, payload } = clientEvent(1);
  const resource = { 'prefect.resource.id': 'x', label: 'a'.repeat(2 * LONG) };
  const events = [{ id, event, payload, resource, occurred: instant(nowMs - 60_000), related: [], follows: null }];
  await eventually(() => log.call('add', events, instant(nowMs), nowMs));
  return log;
}

it('a query that does not end is given up, and others are answered', async () => {
  const log = await logWithEvent({ callMs: 3_000 });
  const [query, behind] = await Promise.allSettled([log.call('page', endless, PAGE), log.call('head')]);
  expect(query).toMatchObject({ status: 'rejected', reason: { name: 'TooManyEventsError' } });
  expect(behind).toMatchObject({ status: 'rejected', reason: { name: 'EventsUnavailableError' } });
  expect((await eventually(() => log.call('head'))).position).toBe(null);
});

it('a query that does not end does not keep the log from closing', async () => {
  const log = await logWithEvent();
  const query = expect(log.call('page', endless, PAGE)).rejects.toThrow('The thread of the events: it ended');
  await log.close();
  await query;
});
