/** `/api/events`: clients send events here by plain requests, and look them up page by page. */
import type { FastifyReply } from 'fastify';
import { PrefectError, sendNothing, unavailable } from '../../api/answers.ts';
import { permitAll } from '../../api/authentication.ts';
import type { Call, Route } from '../../api/routes.ts';
import { fields, object, orInvalid } from '../../input/bodies.ts';
import { type Body, echo } from '../../input/body.ts';
import { Faults, invalidRequest, missing, type Reader } from '../../input/faults.ts';
import { integer, list } from '../../input/values.ts';
import type { EventFilter } from '../store/event-filter.ts';
import type { EventLog } from '../store/event-log.ts';
import { EventsUnavailableError, TooManyEventsError } from '../store/store-worker.ts';
import type { ClientEvents } from './client-events.ts';
import { readEvent } from './event-body.ts';
import { filterReader } from './filter-body.ts';

const PAGE_MAX = 50;

export function eventRoutes(log: EventLog, clientEvents: ClientEvents): readonly Route[] {
  return [
    { method: 'POST', path: '/events', right: 'use', handle: (call) => orUnavailable(create(call, clientEvents)) },
    { method: 'POST', path: '/events/filter', right: 'read', handle: (call) => orUnavailable(firstPage(call, log)) },
    { method: 'GET', path: '/events/filter/next', right: 'read', handle: (call) => orUnavailable(nextPage(call, log)) },
  ];
}

const TOO_MANY = 'There are too many events to look through: ask for a shorter time, occurred.since to occurred.until';

/** 503 where events are unavailable for now, which a client repeats. A query that took too long would do so again, so it gets 422. */
async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof TooManyEventsError) throw new PrefectError(422, { detail: TOO_MANY });
    throw error instanceof EventsUnavailableError ? unavailable() : error;
  }
}

async function create({ body, reply }: Call, clientEvents: ClientEvents): Promise<FastifyReply> {
  const input = echo(body);
  const events = input === null ? missing(['body'], null) : list(readEvent)(input, ['body']);
  await clientEvents.keep(orInvalid(events, body));
  return sendNothing(reply);
}

/** The content of a page token: the filter as it was sent, with its times, and where the next page begins. */
interface Bookmark {
  readonly filter: unknown;
  readonly limit: number;
  readonly offset: number;
  readonly total: number;
  /** The number of the last event at the time of the first page: no page shows later ones. */
  readonly upTo: number;
}

async function firstPage({ body, reply, caller }: Call, log: EventLog): Promise<FastifyReply> {
  permitAll(caller, 'read');
  const { filter, wire, limit } = readAsked(body);
  const { events, total, seq } = await log.call('page', filter, { offset: 0, limit, upTo: null, counts: true });
  return sendPage(reply, events, { filter: wire, limit, offset: limit, total, upTo: seq });
}

async function nextPage({ query, reply, caller }: Call, log: EventLog): Promise<FastifyReply> {
  permitAll(caller, 'read');
  const token = query['page-token'];
  if (token === undefined) throw invalidRequest(missing(['query', 'page-token'], null).list, null);
  const { filter, wire, ...at } = readToken(String(token));
  const { events } = await log.call('page', filter, { ...at, counts: false });
  return sendPage(reply, events, { ...at, filter: wire, offset: at.offset + at.limit });
}

function readAsked(body: Body): { filter: EventFilter; wire: object; limit: number } {
  const readFilter = filterReader(Date.now());
  const read = fields({
    filter: { read: readFilter, otherwise: readFilter({}, []) as EventFilter },
    limit: { read: integer({ ge: 0, le: PAGE_MAX }), otherwise: PAGE_MAX },
  });
  const { filter, limit } = orInvalid(read(body), body);
  const sent = body.is === 'json' ? (body.value as { filter?: object } | null)?.filter : undefined;
  return { filter, wire: { ...sent, occurred: filter.occurred }, limit };
}

const anything: Reader<object> = (input) => input as object;
const readBookmark = object({
  filter: { read: anything },
  limit: { read: integer({ ge: 1, le: PAGE_MAX }) },
  offset: { read: integer({ ge: 0, le: Number.MAX_SAFE_INTEGER }) },
  total: { read: integer({ ge: 0, le: Number.MAX_SAFE_INTEGER }) },
  upTo: { read: integer({ ge: 0, le: Number.MAX_SAFE_INTEGER }) },
});

/** A token comes back from the client, so it is checked like any other input. */
function readToken(token: string): Omit<Bookmark, 'filter'> & { filter: EventFilter; wire: object } {
  const bookmark = readBookmark(parseToken(token), []);
  const filter = bookmark instanceof Faults ? bookmark : filterReader(Date.now())(bookmark.filter, []);
  if (bookmark instanceof Faults || filter instanceof Faults) throw new PrefectError(403, { detail: 'Forbidden' });
  return { ...bookmark, filter, wire: bookmark.filter };
}

function parseToken(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    return undefined;
  }
}

/** The events are JSON texts already. */
function sendPage(reply: FastifyReply, events: readonly string[], next: Bookmark): FastifyReply {
  const { protocol, host } = reply.request;
  const token = Buffer.from(JSON.stringify(next)).toString('base64url');
  const isMore = next.limit > 0 && next.offset < next.total;
  const nextPage = isMore ? `${protocol}://${host}/api/events/filter/next?page-token=${token}` : null;
  const body = `{"events":[${events.join()}],"total":${next.total},"next_page":${JSON.stringify(nextPage)}}`;
  return reply.code(200).header('content-type', 'application/json').send(Buffer.from(body));
}
