/** `/api/events/out`: Prefect's clients follow events here. They get those of the last minutes first, then each new one. */
import { Pongs } from '@slotkeeper/protocol';
import type { WebSocket } from 'ws';
import { instant } from '../../api/timestamps.ts';
import { closeReason } from '../../api/token-handshake.ts';
import { Faults } from '../../input/faults.ts';
import { type Keys, whyNotAll } from '../../keys.ts';
import type { EventFilter } from '../store/event-filter.ts';
import type { EventLog } from '../store/event-log.ts';
import { type EventSockets, eventSockets, parseMessage } from './event-socket.ts';
import { filterReader } from './filter-body.ts';

const PROTOCOL_ERROR = 1002;
/** Older events are not sent, even if the filter asks for them. */
const LOOK_BACK_MS = 15 * 60_000;
const EVENTS_AT_ONCE = 250;
const LOOKED_AT_AT_ONCE = 10_000;
const NO_END = '9999-12-31T23:59:59.999999Z';

export function eventsOut(keys: Keys, events: EventLog): EventSockets {
  return eventSockets({
    keys,
    whyNot: ({ key }) => whyNotAll(key, 'read'),
    open: (socket) => expectFilter(socket, events),
  });
}

function expectFilter(socket: WebSocket, events: EventLog): void {
  const pongs = new Pongs(socket);
  socket.on('ping', (data) => pongs.answer(data));
  socket.once('message', (data) => {
    const message = parseMessage(data);
    if (message === undefined) return socket.terminate();
    if (message.type !== 'filter') return socket.close(PROTOCOL_ERROR, "Expected 'filter' message");
    const filter = filterReader(Date.now(), NO_END)(message.filter, ['filter']);
    if (filter instanceof Faults) return socket.close(PROTOCOL_ERROR, reasonOf(filter));
    stream(socket, events, clamped(filter), message.backfill !== false).catch(() => socket.terminate());
  });
}

function reasonOf(faults: Faults): string {
  const [first] = faults.list;
  return closeReason(`Invalid filter: ${first?.loc.slice(1).join('.')}: ${first?.msg}`);
}

function clamped(filter: EventFilter): EventFilter {
  const { since, until } = filter.occurred;
  const [, latest = since] = [since, instant(Date.now() - LOOK_BACK_MS)].sort();
  return { ...filter, occurred: { since: latest, until }, order: 'ASC' };
}

async function stream(socket: WebSocket, events: EventLog, filter: EventFilter, fromPast: boolean): Promise<void> {
  const closed = new AbortController();
  socket.once('close', () => closed.abort());
  let { seq } = await events.call('head');
  if (fromPast) await sendPast(socket, events, filter, seq);
  while (!closed.signal.aborted) {
    const slice = await events.call('after', seq, filter, EVENTS_AT_ONCE, LOOKED_AT_AT_ONCE);
    await send(socket, slice.events);
    if (slice.seq === seq) await events.newer(seq, closed.signal);
    seq = slice.seq;
  }
}

/** Sends the stored events up to number `upTo`. */
async function sendPast(socket: WebSocket, events: EventLog, filter: EventFilter, upTo: number): Promise<void> {
  for (let offset = 0; ; offset += EVENTS_AT_ONCE) {
    const page = await events.call('page', filter, { offset, limit: EVENTS_AT_ONCE, upTo, counts: false });
    await send(socket, page.events);
    if (page.events.length < EVENTS_AT_ONCE) return;
  }
}

/** Resolves when the operating system has taken the last event, so that a client that does not read gets no more. */
async function send(socket: WebSocket, events: readonly string[]): Promise<void> {
  let sent: Promise<void> | undefined;
  for (const event of events) {
    sent = new Promise((resolve, reject) => {
      socket.send(`{"type":"event","event":${event}}`, (error) => (error ? reject(error) : resolve()));
    });
    sent.catch(() => {});
  }
  await sent;
}
