/**
 * The engine in this process: `connect('embedded:')`. The client's end of the session protocol talks to the same server's
 * end as over a network, through a channel in memory.
 */
import { MemoryJournal, MemoryStore, SqliteJournal } from '@slotkeeper/journal';
import type { Peer } from '@slotkeeper/prefect';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type EncodedFrame,
  jsonCodec,
  receive,
  type ServerFrame,
} from '@slotkeeper/protocol';
import { realClock } from './clock.ts';
import { Keyring } from './keys/keyring.ts';
import { Replica } from './replica/replica.ts';
import { SessionServer } from './session.ts';
import { VERSION } from './version.ts';

export interface Embedded {
  /** A new connection; `events` are the client's end of it. */
  dial(events: ChannelEvents<ServerFrame>): Channel<ClientFrame>;
  /** Makes durable what is under way, and lets go of the file. */
  close(): Promise<void>;
}

const THIS_PROCESS: Peer = { address: null, isClear: false };

/** Nobody reads history in memory: it is there for a replica that starts again, which needs none before its snapshot. */
export const IN_MEMORY = { snapshotEveryFacts: 10_000, retention: { ageMs: 0, bytes: 0 } };

/**
 * Opens an engine in this process: in memory (in `store`, or one of its own), or over `file` (created if it is not there; one process at a time). What an
 * earlier process held in the file is free: its leases ended with it. Rejects with the `JournalError` if the file cannot
 * be opened.
 */
export async function openEmbedded(
  options: { readonly file?: string; readonly store?: MemoryStore } = {},
): Promise<Embedded> {
  const { file, store = new MemoryStore() } = options;
  const openJournal = () =>
    file === undefined ? new MemoryJournal(store, realClock) : new SqliteJournal({ file }, realClock);
  const replica = await Replica.start(openJournal, realClock, file === undefined ? IN_MEMORY : {});
  const keys = new Keyring({ credentials: [], clock: realClock, warn: () => {} });
  const sessions = new SessionServer({ replica, clock: realClock, version: VERSION, keys });
  return {
    dial: (events) => inMemory(events, (server) => sessions.accept(server, THIS_PROCESS)),
    async close() {
      sessions.close();
      await replica.stop();
    },
  };
}

/**
 * Two channels, each the other's end. A frame arrives in a later turn, as over a network, and as text: what a program does
 * afterwards to an object that it gave us changes nothing.
 */
function inMemory(
  client: ChannelEvents<ServerFrame>,
  accept: (open: (events: ChannelEvents<ClientFrame>) => Channel<ServerFrame>) => void,
): Channel<ClientFrame> {
  let server: ChannelEvents<ClientFrame> | undefined;
  let isOpen = true;
  const close = (reason: string): void => {
    if (!isOpen) return;
    isOpen = false;
    realClock.soon(() => {
      client.closed(reason);
      server?.closed(reason);
    });
  };
  const send = (frames: Iterable<EncodedFrame>, arrive: (data: EncodedFrame) => void): void => {
    if (!isOpen) return;
    for (const data of frames) realClock.soon(() => arrive(data));
  };
  accept((events) => {
    server = events;
    return {
      send: (frame) =>
        send(jsonCodec.encodeServerFrame(frame), (data) => receive(data, jsonCodec.decodeServerFrame, client)),
      close: () => close('the server closed it'),
      bufferedBytes: 0,
    };
  });
  return {
    send: (frame) =>
      send(jsonCodec.encodeClientFrame(frame), (data) => server && receive(data, jsonCodec.decodeClientFrame, server)),
    close: () => close('the client closed it'),
    bufferedBytes: 0,
  };
}
