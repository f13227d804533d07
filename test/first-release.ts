/**
 * How Slotkeeper 0.1.0 read the session protocol, as far as versions go: it spoke version 2 alone, counted the fields of each
 * row, and ended the connection of a peer that had another number of them. Frames pass as text, as over a WebSocket.
 */
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  jsonCodec,
  type ServerFrame,
  type ServerMessage,
} from '@slotkeeper/protocol';
import type { Dial } from './virtual-fleet.ts';

/** By the word that a row begins with: its fields. */
const FROM_CLIENT: Readonly<Record<string, number>> = { h: 5, c: 2, a: 9, r: 0, x: 1, f: 2, m: 3, z: 0 };
const FROM_SERVER: Readonly<Record<string, number>> = { w: 2, g: 6, q: 2, n: 4, e: 4, v: 2, d: 4, b: 4 };

/** The way to a server of 0.1.0: what it could not read never reaches the server, and the client gets a final goodbye. */
export function toFirstServer(dial: Dial, later: (callback: () => void) => void): Dial {
  return (client) => {
    const channel = dial(client);
    return {
      ...passing(channel),
      send: (frame) => {
        for (const text of jsonCodec.encodeClientFrame(frame)) {
          const wrong = miscounted(text as string, FROM_CLIENT);
          if (wrong === undefined) channel.send(jsonCodec.decodeClientFrame(text));
          else later(() => refuse(client, channel, wrong));
        }
      },
    };
  };
}

/** The way of a client of 0.1.0: a row that it could not read is an error of the test. */
export function ofFirstClient(dial: Dial): Dial {
  return (client) => {
    const checked = ({ ack, messages }: ServerFrame): void => {
      for (const text of jsonCodec.encodeServerFrame({ ack, messages })) {
        const wrong = miscounted(text as string, FROM_SERVER);
        if (wrong !== undefined) throw new Error(`a client of 0.1.0 is sent a row in which ${wrong}`);
        client.frame(jsonCodec.decodeServerFrame(text));
      }
    };
    return toFirstServer(
      (events) => dial({ ...listening(events), frame: checked }),
      () => {
        throw new Error('a client of 0.1.0 sends rows that 0.1.0 could not read');
      },
    )(client);
  };
}

function miscounted(text: string, fields: Readonly<Record<string, number>>): string | undefined {
  const [, ...rows] = JSON.parse(text) as [number, ...[string, ...unknown[]][]];
  for (const row of rows)
    if (row.length - 1 !== fields[row[0]])
      return `message '${row[0]}' must have ${fields[row[0]]} fields, but has ${row.length - 1}`;
  return undefined;
}

function refuse(client: ChannelEvents<ServerFrame>, channel: Channel<ClientFrame>, wrong: string): void {
  const [field, reason] = [wrong.slice(0, 11), wrong.slice(12)];
  const goodbye: ServerMessage = {
    type: 'goodbye',
    retry: false,
    error: { code: 'INVALID_REQUEST', message: `${wrong}.`, details: { field, reason } },
  };
  client.frame({ ack: 0, messages: [goodbye] });
  channel.close();
}

function passing(channel: Channel<ClientFrame>): Channel<ClientFrame> {
  return {
    send: (frame) => channel.send(frame),
    close: () => channel.close(),
    get bufferedBytes() {
      return channel.bufferedBytes;
    },
  };
}

function listening(events: ChannelEvents<ServerFrame>): ChannelEvents<ServerFrame> {
  return {
    frame: (frame) => events.frame(frame),
    garbled: (problem) => events.garbled(problem),
    closed: (reason) => events.closed(reason),
  };
}
