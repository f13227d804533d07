/** Events that clients send: over `/events/in` or one request at a time. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clientEvent, EventsServer, temporaryFolder } from './events-server.ts';

const AUTH = { type: 'auth', token: null };

describe('POST /events', () => {
  it('keeps events as they are, with the time at which they came', async () => {
    const server = await EventsServer.start();
    const event = clientEvent(1, {
      occurred: '2026-11-24T10:00:00.5+01:00',
      related: [{ 'prefect.resource.id': 'shop.user.1', 'prefect.resource.role': 'user' }],
      payload: { price: 7, tags: ['a', null, 'ü\u0000\ud800'] },
      follows: clientEvent(0).id,
    });
    const answer = await server.post('/events', [{ ...event, extra: true }]);
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    const { events } = await server.filter();
    expect(events).toEqual([{ ...event, occurred: '2026-11-24T09:00:00.500000Z', received: expect.any(String) }]);
  });

  it('keeps an event that comes twice once', async () => {
    const server = await EventsServer.start();
    await server.post('/events', [clientEvent(1), clientEvent(2), clientEvent(1)]);
    await server.post('/events', [clientEvent(2)]);
    expect((await server.filter()).total).toBe(2);
  });

  it('drops what clients tell of slots and limits', async () => {
    const server = await EventsServer.start();
    const dropped = ['acquired', 'released', 'v1.acquired', 'v1.released', 'created', 'updated', 'deleted'];
    const events = dropped.map((what, i) => clientEvent(i, { event: `prefect.concurrency-limit.${what}` }));
    expect((await server.post('/events', [...events, clientEvent(8)])).status).toBe(204);
    expect((await server.filter()).events.map(({ event }) => event)).toEqual(['shop.order.placed']);
  });

  it('fails for events that cannot be kept, and for no others', async () => {
    const eventsFolder = temporaryFolder();
    mkdirSync(join(eventsFolder, 'events.db'));
    const server = await EventsServer.start({ eventsFolder });
    expect((await server.post('/events', [clientEvent(1)])).status).toBe(503);
    expect((await server.post('/events', [])).status).toBe(204);
  });

  it('takes no events at all', async () => {
    const server = await EventsServer.start();
    expect((await server.post('/events', [])).status).toBe(204);
  });

  const id = { 'prefect.resource.id': 'x' };
  const bad: readonly (readonly [string, unknown, unknown[]])[] = [
    ['one event', clientEvent(1), ['body']],
    ['nothing', null, ['body']],
    ['a text', ['x'], ['body', 0]],
    ['an event without a resource', [{ ...clientEvent(1), resource: undefined }], ['body', 0, 'resource']],
    ['a resource without an id', [clientEvent(1, { resource: { name: 'x' } })], ['body', 0, 'resource']],
    [
      'a resource with an empty id',
      [clientEvent(1, { resource: { 'prefect.resource.id': '' } })],
      ['body', 0, 'resource'],
    ],
    ['a label that is no text', [{ ...clientEvent(1), resource: { ...id, a: 1 } }], ['body', 0, 'resource', 'a']],
    ['a related resource without a role', [clientEvent(1, { related: [id] })], ['body', 0, 'related', 0]],
    [
      '101 related resources',
      [clientEvent(1, { related: Array(101).fill({ ...id, 'prefect.resource.role': 'r' }) })],
      ['body', 0, 'related'],
    ],
    ['a long name', [clientEvent(1, { event: 'x'.repeat(1025) })], ['body', 0, 'event']],
    ['no time', [clientEvent(1, { occurred: '2026-02-30T00:00:00Z' })], ['body', 0, 'occurred']],
    ['a time beyond all', [{ ...clientEvent(1), occurred: 1e300 }], ['body', 0, 'occurred']],
    ['no id', [clientEvent(1, { id: 'x' })], ['body', 0, 'id']],
    ['a payload that is a list', [{ ...clientEvent(1), payload: [] }], ['body', 0, 'payload']],
  ];
  it.each(bad)('refuses %s, and keeps nothing of it', async (_what, body, loc) => {
    const server = await EventsServer.start();
    const answer = await server.post('/events', body);
    const { exception_detail } = (await answer.json()) as { exception_detail: { loc: unknown }[] };
    expect([answer.status, exception_detail.map((fault) => fault.loc)]).toEqual([422, [loc]]);
    expect((await server.filter()).total).toBe(0);
  });

  it('takes times in every form', async () => {
    const server = await EventsServer.start();
    const times = [
      '2026-11-24T10:00:00Z',
      '2026-11-24 10:00',
      '2026-11-24',
      1_795_514_400,
      '1795514400.25',
      1_795_514_400_000,
    ];
    const events = times.map((occurred, i) => ({ ...clientEvent(i), occurred }));
    expect((await server.post('/events', events)).status).toBe(204);
    const { events: kept } = await server.filter({ occurred: { since: '2020-01-01', until: '2030-01-01' } });
    const occurred = Object.fromEntries(kept.map((event) => [event.id, event.occurred]));
    expect(events.map(({ id }) => occurred[id])).toEqual([
      '2026-11-24T10:00:00.000000Z',
      '2026-11-24T10:00:00.000000Z',
      '2026-11-24T00:00:00.000000Z',
      '2026-11-24T10:00:00.000000Z',
      '2026-11-24T10:00:00.250000Z',
      '2026-11-24T10:00:00.000000Z',
    ]);
  });
});

describe('/events/in', () => {
  it('takes events after the handshake; a pong says that they are kept', async () => {
    const server = await EventsServer.start();
    const socket = server.socket('in');
    await socket.send(AUTH);
    expect(await socket.next()).toEqual({ type: 'auth_success' });
    await socket.send(...Array.from({ length: 1_500 }, (_, i) => clientEvent(i)));
    await socket.ping();
    expect((await server.filter()).total).toBe(1_500);
  });

  it('answers pings before the handshake', async () => {
    const server = await EventsServer.start();
    const socket = server.socket('in');
    await socket.send();
    await socket.ping();
  });

  it('takes events of a client without the sub-protocol at once', async () => {
    const server = await EventsServer.start();
    const old = server.socket('in', []);
    await old.send(clientEvent(1));
    await old.ping();
    expect((await server.filter()).total).toBe(1);
  });

  it('drops what the server itself tells', async () => {
    const server = await EventsServer.start();
    const socket = server.socket('in', []);
    await socket.send(clientEvent(1, { event: 'prefect.concurrency-limit.v1.acquired' }));
    await socket.ping();
    expect((await server.filter()).total).toBe(0);
  });

  it.each(['no JSON', '"text"', JSON.stringify({ event: 'incomplete' })])(
    'drops a client that sends %s',
    async (text) => {
      const server = await EventsServer.start();
      const socket = server.socket('in');
      await socket.send(AUTH, text);
      expect((await socket.closed()).code).toBe(1006);
    },
  );
});

describe.each(['in', 'out'] as const)('the handshake of /events/%s', (path) => {
  it('asks for the auth string or the key, whichever is set', async () => {
    const server = await EventsServer.start({ apiKey: 'key', authString: 'user:password' });
    for (const token of ['key', 'user:password']) {
      const socket = server.socket(path);
      await socket.send({ type: 'auth', token });
      expect(await socket.next()).toEqual({ type: 'auth_success' });
    }
  });

  it.each([
    [{ type: 'auth', token: null }, 'Auth required but no token provided'],
    [{ type: 'auth' }, 'Auth required but no token provided'],
    [{ type: 'auth', token: 'wrong' }, 'Invalid token'],
    [{ type: 'auth', token: { toString: null, valueOf: null } }, 'Invalid token'],
    [{ type: 'auth', token: ['user:password'] }, 'Invalid token'],
    [{ type: 'filter', filter: {} }, "Expected 'auth' message"],
    ['"auth"', "Expected 'auth' message"],
  ])('refuses %j', async (message, reason) => {
    const server = await EventsServer.start({ authString: 'user:password' });
    const socket = server.socket(path);
    await socket.send(message);
    expect(await socket.closed()).toEqual({ code: 1008, reason });
  });

  it('cannot be left out where a token is asked for', async () => {
    const server = await EventsServer.start({ apiKey: 'key' });
    expect((await server.socket(path, []).closed()).reason).toBe('Unexpected server response: 403');
  });

  it('takes any token where none is asked for', async () => {
    const server = await EventsServer.start();
    const socket = server.socket(path, ['prefect']);
    await socket.send({ type: 'auth', token: 7 });
    expect(await socket.next()).toEqual({ type: 'auth_success' });
  });

  it('drops who says what is no JSON', async () => {
    const server = await EventsServer.start();
    const socket = server.socket(path);
    await socket.send('hello');
    expect((await socket.closed()).code).toBe(1006);
  });
});
