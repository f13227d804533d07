/** Following what happens: `/events/out`. */
import { describe, expect, it } from 'vitest';
import { clientEvent, type EventSocket, EventsServer } from './events-server.ts';

const AUTH = { type: 'auth', token: null };

/** With the handshake done. */
async function follow(server: EventsServer, message: object): Promise<EventSocket> {
  const socket = server.socket('out');
  await socket.send(AUTH);
  expect(await socket.next()).toEqual({ type: 'auth_success' });
  await socket.send(message);
  return socket;
}

async function next(socket: EventSocket): Promise<string> {
  const { type, event } = await socket.next();
  expect(type).toBe('event');
  return event.event;
}

const A_MINUTE_AGO_MS = Date.now() - 60_000;

const named = (number: number, event: string, occurred = new Date(A_MINUTE_AGO_MS + number)) =>
  clientEvent(number, { event, occurred: occurred.toISOString() });

describe('a client that follows', () => {
  it('is told what happened lately, oldest first, then what happens', async () => {
    const server = await EventsServer.start();
    await server.post('/events', [named(2, 'b'), named(1, 'a'), named(3, 'other')]);
    const socket = await follow(server, { type: 'filter', filter: { event: { exclude_name: ['other'] } } });
    expect([await next(socket), await next(socket)]).toEqual(['a', 'b']);
    await server.post('/events', [named(4, 'other'), named(5, 'c')]);
    server.limit('db');
    expect([await next(socket), await next(socket)]).toEqual(['c', 'prefect.concurrency-limit.created']);
  });

  it('is told of what is to come alone if it asks for that', async () => {
    const server = await EventsServer.start();
    await server.post('/events', [named(1, 'a')]);
    const filter = { type: 'filter', filter: {}, backfill: false };
    const socket = await follow(server, filter);
    // The pong says that the filter has been read.
    await socket.ping();
    await server.filter();
    await server.post('/events', [named(2, 'b')]);
    expect(await next(socket)).toBe('b');
  });

  it('is not told of what is older than a quarter of an hour, or out of the time it asks for', async () => {
    const server = await EventsServer.start();
    const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);
    const since = minutesAgo(30).toISOString();
    const until = minutesAgo(5).toISOString();
    await server.post('/events', [named(1, 'old', minutesAgo(20)), named(2, 'a', minutesAgo(10)), named(3, 'new')]);
    const socket = await follow(server, { type: 'filter', filter: { occurred: { since, until } } });
    expect(await next(socket)).toBe('a');
    await server.post('/events', [named(4, 'old', minutesAgo(20)), named(5, 'new'), named(6, 'b', minutesAgo(6))]);
    expect(await next(socket)).toBe('b');
  });

  it('is told all of a great many', async () => {
    const server = await EventsServer.start();
    const events = Array.from({ length: 1_000 }, (_, i) => named(i, `e${i}`));
    await server.post('/events', events.slice(0, 700));
    const socket = await follow(server, { type: 'filter', filter: {} });
    await server.post('/events', events.slice(700));
    const told: string[] = [];
    while (told.length < 1_000) told.push(await next(socket));
    expect(told).toEqual(events.map(({ event }) => event));
  });

  it.each([
    [{ type: 'event' }, "Expected 'filter' message"],
    [
      { type: 'filter', filter: { event: { names: [] } } },
      'Invalid filter: event.names: Extra inputs are not permitted',
    ],
    [{ type: 'filter', filter: 7 }, expect.stringMatching(/^Invalid filter: /)],
    [{ type: 'filter', filter: { ['ü'.repeat(200)]: 1 } }, expect.stringMatching(/^Invalid filter: ü+$/)],
  ])('is refused a filter like %j', async (message, reason) => {
    const server = await EventsServer.start();
    const socket = await follow(server, message);
    expect(await socket.closed()).toEqual({ code: 1002, reason });
  });

  it('may come without the sub-protocol', async () => {
    const server = await EventsServer.start();
    await server.post('/events', [named(1, 'a')]);
    const socket = server.socket('out', []);
    await socket.send({ type: 'filter', filter: {} });
    expect(await next(socket)).toBe('a');
  });

  it('is dropped as the server ends', async () => {
    const server = await EventsServer.start();
    const socket = await follow(server, { type: 'filter', filter: {} });
    await server.close();
    expect((await socket.closed()).code).toBe(1006);
  });
});
