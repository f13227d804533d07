/** Looking up events: `/events/filter` and its pages. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filterReader } from '../../src/events/api/filter-body.ts';
import { type EventFilter, matcherOf } from '../../src/events/store/event-filter.ts';
import { clientEvent, type EventPage, EventsServer, type StartOptions, type ToldEvent } from './events-server.ts';

const NOW_MS = Date.parse('2026-11-24T12:00:00Z');

/** Told by their names, oldest first, a second apart. */
async function serverWith(
  events: readonly (Partial<ToldEvent> & { readonly event: string })[],
  options: StartOptions = {},
): Promise<EventsServer> {
  const server = await EventsServer.start(options);
  const sent = events.map((event, i) => {
    return clientEvent(i, { occurred: new Date(NOW_MS + i * 1_000).toISOString(), ...event });
  });
  const answer = await server.post('/events', sent);
  if (answer.status !== 204) throw new Error(await answer.text());
  return server;
}

const PERIOD = { since: '2026-11-24T00:00:00Z', until: '2026-11-25T00:00:00Z' };

async function namesOf(server: EventsServer, filter: object): Promise<string[]> {
  const { events, total } = await server.filter({ occurred: PERIOD, order: 'ASC', ...filter });
  expect(total).toBe(events.length);
  return events.map(({ event }) => event);
}

const resource = (id: string, labels: Record<string, string> = {}) => ({ 'prefect.resource.id': id, ...labels });
const related = (id: string, role: string, labels: Record<string, string> = {}) => ({
  ...resource(id, labels),
  'prefect.resource.role': role,
});

const SHOP = [
  { event: 'shop.opened', resource: resource('shop.1', { city: 'Bern' }) },
  { event: 'shop.closed', resource: resource('shop.2', { city: 'Basel' }) },
  {
    event: 'order.placed',
    resource: resource('order.1'),
    related: [related('shop.1', 'seller', { city: 'Bern' }), related('user.1', 'buyer')],
    payload: { note: 'Leave at the Door' },
  },
  {
    event: 'order.paid',
    resource: resource('order.1'),
    related: [related('shop.2', 'seller'), related('user.1', 'payer')],
  },
] as const;

const [OPENED, CLOSED, PLACED, PAID] = SHOP.map(({ event }) => event) as [string, string, string, string];

describe('a filter', () => {
  let shop: EventsServer;
  let end: () => Promise<void>;
  beforeAll(async () => {
    shop = await serverWith(SHOP, {
      until: (ends) => {
        end = ends;
      },
    });
  });
  afterAll(() => end());

  const cases: readonly (readonly [object, readonly string[]])[] = [
    [{}, [OPENED, CLOSED, PLACED, PAID]],
    [{ event: { prefix: ['shop.'] } }, [OPENED, CLOSED]],
    [{ event: { prefix: ['shop.', 'order.pa'] } }, [OPENED, CLOSED, PAID]],
    [{ event: { exclude_prefix: ['shop.'] } }, [PLACED, PAID]],
    [{ event: { name: [PAID, 'order'] } }, [PAID]],
    [{ event: { exclude_name: [PAID] } }, [OPENED, CLOSED, PLACED]],
    [{ event: { name: [] } }, [OPENED, CLOSED, PLACED, PAID]],
    [{ event: { name: null }, resource: null, related: null, text: null }, [OPENED, CLOSED, PLACED, PAID]],
    [{ resource: { id: ['shop.1', 'order.1'] } }, [OPENED, PLACED, PAID]],
    [{ resource: { id_prefix: ['shop.'] } }, [OPENED, CLOSED]],
    [{ resource: { labels: { city: 'Bern' } } }, [OPENED]],
    [{ resource: { labels: { city: ['Bern', 'Ba*'] } } }, [OPENED, CLOSED]],
    [{ resource: { labels: { city: 'B?*n' } } }, [OPENED]],
    [{ resource: { labels: { city: '!Bern' } } }, [CLOSED]],
    [{ resource: { labels: { city: [] } } }, []],
    [{ resource: { labels: { 'prefect.resource.id': 'order.*', city: '*' } } }, []],
    [{ resource: { labels: { 'prefect.resource.id': 'order.*' }, distinct: true } }, [PLACED]],
    [{ resource: { distinct: true } }, [OPENED, CLOSED, PLACED]],
    [{ related: { id: ['shop.1'] } }, [PLACED]],
    [{ related: { role: ['payer'] } }, [PAID]],
    [{ related: { id: ['user.1'], role: ['seller'] } }, []],
    [
      {
        related: {
          resources_in_roles: [
            ['user.1', 'buyer'],
            ['user.1', 'nobody'],
          ],
        },
      },
      [PLACED],
    ],
    [{ related: { labels: { city: '*' } } }, [PLACED]],
    [{ related: [{ id: ['user.1'] }, { id: ['shop.2'] }] }, [PAID]],
    [{ any_resource: { id: ['shop.1'] } }, [OPENED, PLACED]],
    [{ any_resource: { id_prefix: ['shop.'], labels: { city: 'Bern' } } }, [OPENED, PLACED]],
    [{ any_resource: [{ id: ['order.1'] }, { id: ['shop.2'] }] }, [PAID]],
    [{ id: { id: [clientEvent(1).id, clientEvent(3).id.toUpperCase()] } }, [CLOSED, PAID]],
    [{ text: { query: 'door basel' } }, [CLOSED, PLACED]],
    [{ text: { query: '"the door"' } }, [PLACED]],
    [{ text: { query: 'order -door' } }, [PAID]],
    [{ text: { query: '+user.1 +seller !payer' } }, [PLACED]],
    [{ occurred: { since: '2026-11-24T12:00:01Z', until: '2026-11-24T12:00:02Z' } }, [CLOSED, PLACED]],
    [{ occurred: { since: '2026-11-24T13:00:03+01:00', until: PERIOD.until } }, [PAID]],
    [{ event: { prefix: ['order'] }, related: { role: ['payer'] }, resource: { id: ['order.1'] } }, [PAID]],
  ];
  it.each(cases)('%j finds what it asks for', async (filter, names) => {
    expect(await namesOf(shop, filter)).toEqual(names);
  });

  it.each(cases)('%j means the same of an event that has just happened', (filter, names) => {
    const read = filterReader(NOW_MS)(filter, []) as EventFilter;
    const { resource, occurred } = filter as { resource?: { distinct?: boolean }; occurred?: unknown };
    // These are of a list of events, or not of what an event says.
    if (resource?.distinct || occurred) return;
    const matches = matcherOf(read) ?? (() => true);
    const events = SHOP.map((event, i) => ({ ...clientEvent(i), ...event }));
    expect(events.filter(matches).map(({ event }) => event)).toEqual(names);
  });

  it('finds the newest first unless told otherwise, and nothing that is yet to come', async () => {
    const server = await EventsServer.start();
    const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
    await server.post('/events', [
      clientEvent(1, { occurred: at(-2_000) }),
      clientEvent(2, { occurred: at(-1_000) }),
      clientEvent(3, { occurred: at(60_000) }),
    ]);
    const { events } = await server.filter();
    expect(events.map(({ id }) => id)).toEqual([clientEvent(2).id, clientEvent(1).id]);
  });

  it('of a pattern that could be matched in many ways is answered at once', async () => {
    const server = await serverWith([{ event: 'x', resource: resource('x', { label: 'a'.repeat(5_000) }) }]);
    expect(await namesOf(server, { resource: { labels: { label: `${'*a'.repeat(200)}b` } } })).toEqual([]);
  });

  const bad: readonly (readonly [unknown, unknown[]])[] = [
    [{ filter: { unknown: 1 } }, ['body', 'filter', 'unknown']],
    [{ filter: { event: { names: [] } } }, ['body', 'filter', 'event', 'names']],
    [{ filter: { event: { name: 'x' } } }, ['body', 'filter', 'event', 'name']],
    [{ filter: { resource: { labels: { a: 1 } } } }, ['body', 'filter', 'resource', 'labels', 'a']],
    [{ filter: { related: [{ ids: [] }] } }, ['body', 'filter', 'related', 0, 'ids']],
    [{ filter: { occurred: { since: 'yesterday' } } }, ['body', 'filter', 'occurred', 'since']],
    [{ filter: { id: { id: ['x'] } } }, ['body', 'filter', 'id', 'id', 0]],
    [{ filter: { text: {} } }, ['body', 'filter', 'text', 'query']],
    [{ filter: { text: { query: 'x'.repeat(201) } } }, ['body', 'filter', 'text', 'query']],
    [{ filter: { resource: { labels: { a: `*${'a'.repeat(1_024)}` } } } }, ['body', 'filter']],
    [
      {
        filter: {
          any_resource: [{ labels: { a: Array(900).fill('*') } }, { labels: { b: Array(125).fill('?') } }],
        },
      },
      ['body', 'filter'],
    ],
    [{ filter: { resource: { id: Array(65_536).fill('') } } }, ['body', 'filter']],
    [{ filter: { order: 'UP' } }, ['body', 'filter', 'order']],
    [{ filter: [] }, ['body', 'filter']],
    [{ limit: 51 }, ['body', 'limit']],
    [{ limit: -1 }, ['body', 'limit']],
  ];
  it.each(bad)('%j is refused with the field', async (body, loc) => {
    const answer = await shop.post('/events/filter', body);
    const { exception_detail } = (await answer.json()) as { exception_detail: { loc: unknown }[] };
    expect([answer.status, exception_detail.map((fault) => fault.loc)]).toEqual([422, [loc]]);
  });
});

describe('pages', () => {
  const EVENTS = Array.from({ length: 120 }, (_, i) => ({ event: i % 2 ? 'odd' : `even.${i}` }));

  it('follow each other to the end, whatever comes meanwhile', async () => {
    const server = await serverWith(EVENTS);
    const filter = { occurred: PERIOD, event: { prefix: ['even.'] } };
    let page = await server.filter(filter, 25);
    const names: string[] = [];
    for (let number = 0; ; number += 1) {
      names.push(...page.events.map(({ event }) => event));
      expect(page.total).toBe(60);
      if (page.next_page === null) break;
      await server.post('/events', [
        clientEvent(1_000 + number, { event: 'even.new', occurred: '2026-11-24T23:00:00Z' }),
      ]);
      const answer = await fetch(page.next_page);
      expect(answer.status).toBe(200);
      page = (await answer.json()) as EventPage;
    }
    expect(names).toEqual(
      EVENTS.map(({ event }) => event)
        .filter((event) => event !== 'odd')
        .reverse(),
    );
  });

  it('without any events tell their number', async () => {
    const server = await serverWith(EVENTS);
    expect(await server.filter({ occurred: PERIOD, event: { name: ['odd'] } }, 0)).toEqual({
      events: [],
      total: 60,
      next_page: null,
    });
  });

  it('hold fifty unless told otherwise', async () => {
    const server = await serverWith(EVENTS);
    for (const body of [{ filter: { occurred: PERIOD } }, { filter: { occurred: PERIOD }, limit: null }]) {
      const page = (await (await server.post('/events/filter', body)).json()) as EventPage;
      expect([page.events.length, page.total]).toEqual([50, 120]);
    }
  });

  it.each(['', 'x', Buffer.from('{}').toString('base64'), Buffer.from('{"limit":1e9}').toString('base64')])(
    'cannot be had for the token %j',
    async (token) => {
      const server = await EventsServer.start();
      const answer = await server.get(`/events/filter/next?page-token=${encodeURIComponent(token)}`);
      expect([answer.status, await answer.json()]).toEqual([403, { detail: 'Forbidden' }]);
    },
  );

  it('cannot be had without a token', async () => {
    const server = await EventsServer.start();
    const answer = await server.get('/events/filter/next');
    expect(answer.status).toBe(422);
  });
});
