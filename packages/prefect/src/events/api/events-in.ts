/** `/api/events/in`: Prefect's clients send their events here. A client that cannot send them logs errors as long as it runs. */
import { Pongs } from '@slotkeeper/protocol';
import type { WebSocket } from 'ws';
import { readBody } from '../../input/body.ts';
import { Faults } from '../../input/faults.ts';
import { type Keys, whyNot } from '../../keys.ts';
import type { PrefectEvent } from '../event.ts';
import type { ClientEvents } from './client-events.ts';
import { readEvent } from './event-body.ts';
import { type EventSockets, eventSockets } from './event-socket.ts';

/** While a client has more bytes than this that are not stored yet, its connection is not read. */
const UNDER_WAY_BYTES_MAX = 1_048_576;

export function eventsIn(keys: Keys, events: ClientEvents): EventSockets {
  return eventSockets({ keys, whyNot: ({ key }) => whyNot(key, 'use'), open: (socket) => receive(socket, events) });
}

function receive(socket: WebSocket, events: ClientEvents): void {
  let underWayBytes = 0;
  /** Resolves when all that was received so far is stored. */
  let kept: Promise<void> = Promise.resolve();
  socket.on('message', (data) => {
    const text = data.toString();
    const event = parse(text);
    if (!event) return socket.terminate();
    underWayBytes += text.length;
    if (underWayBytes > UNDER_WAY_BYTES_MAX) socket.pause();
    kept = events.keep([event]).then(
      () => {
        underWayBytes -= text.length;
        if (socket.isPaused) socket.resume();
      },
      // The client sends again all that no pong has confirmed.
      () => socket.terminate(),
    );
  });
  const pongs = new Pongs(socket, () => kept);
  socket.on('ping', (data) => pongs.answer(data));
}

function parse(text: string): PrefectEvent | undefined {
  try {
    const body = readBody(Buffer.from(text), undefined);
    const event = body.is === 'json' ? readEvent(body.value, ['body']) : undefined;
    return event instanceof Faults ? undefined : event;
  } catch {
    return undefined;
  }
}
