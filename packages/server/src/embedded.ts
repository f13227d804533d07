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
  /** Opens a new connection. `events` is the client's end. */
  dial(events: ChannelEvents<ServerFrame>): Channel<ClientFrame>;
  /** Makes durable what is under way, and closes the file. */
  close(): Promise<void>;
}

const THIS_PROCESS: Peer = { address: null, isClear: false };

/** In memory nobody reads history. Only a replica that starts again needs it, from the last snapshot on. */
export const IN_MEMORY = { snapshotEveryFacts: 10_000, retention: { ageMs: 0, bytes: 0 } };

/**
 * Opens an engine in this process: in memory (in `store`, or a new one), or over `file`, which is created if it is missing, and
 * which one process has at a time. The leases of an earlier process in the file ended with that process. Rejects with the
 * `JournalError` if the file cannot be opened.
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
 * Two channels, each the other's end. A frame arrives in a later turn, as over a network. It is encoded, so that a program may
 * change an object after it gave it to us.
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
