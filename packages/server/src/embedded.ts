/**
 * The engine in this process: `connect('embedded:')`. The client's end of the session protocol talks to the same server's
 * end as over a network, through a channel in memory.
 */
import { MemoryJournal, MemoryStore, SqliteJournal } from '@slotkeeper/journal';
import type { Channel, ChannelEvents } from '@slotkeeper/protocol';
import { realClock } from './clock.ts';
import { Replica } from './replica.ts';
import { SessionFace } from './session.ts';
import { VERSION } from './version.ts';

export interface Embedded {
  /** A new connection; `events` are the client's end of it. */
  dial(events: ChannelEvents): Channel;
  /** Makes durable what is under way, and lets go of the file. */
  close(): Promise<void>;
}

/**
 * Opens an engine in this process: in memory, or over `file` (created if it is not there; one process at a time). What an
 * earlier process held in the file is free: its leases ended with it. Rejects with the `JournalError` if the file cannot
 * be opened.
 */
export async function openEmbedded(options: { readonly file?: string } = {}): Promise<Embedded> {
  const { file } = options;
  const memory = new MemoryStore();
  const openJournal = () => (file === undefined ? new MemoryJournal(memory) : new SqliteJournal({ file }));
  const replica = await Replica.start(openJournal, realClock);
  const face = new SessionFace({ replica, clock: realClock, version: VERSION, apiKey: null });
  return {
    dial: (events) => inMemory(events, (server) => face.accept(server, true)),
    async close() {
      face.close();
      await replica.stop();
    },
  };
}

/** Two channels, each the other's end. A frame arrives in a later turn, as over a network. */
function inMemory(client: ChannelEvents, accept: (open: (events: ChannelEvents) => Channel) => void): Channel {
  let server: ChannelEvents | undefined;
  let isOpen = true;
  const close = (reason: string): void => {
    if (!isOpen) return;
    isOpen = false;
    realClock.soon(() => {
      client.closed(reason);
      server?.closed(reason);
    });
  };
  const channelTo = (receiver: () => ChannelEvents | undefined, reason: string): Channel => ({
    send: (frame) => {
      if (isOpen) realClock.soon(() => receiver()?.frame(frame));
    },
    close: () => close(reason),
    bufferedBytes: 0,
  });
  accept((events) => {
    server = events;
    return channelTo(() => client, 'the server closed it');
  });
  return channelTo(() => server, 'the client closed it');
}
