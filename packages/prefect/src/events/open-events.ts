/** All that there is of events, as the server uses it. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from '@slotkeeper/protocol/prefect';
import type { Route } from '../api/routes.ts';
import type { Host, Upgrade } from '../host.ts';
import type { UpstreamAddress } from '../upstream/address.ts';
import { ClientEvents } from './api/client-events.ts';
import { eventRoutes } from './api/event-routes.ts';
import { eventsIn } from './api/events-in.ts';
import { eventsOut } from './api/events-out.ts';
import { JournalFeed } from './projection/journal-feed.ts';
import { EventLog } from './store/event-log.ts';
import { UpstreamSender } from './upstream-sender.ts';

export interface EventsOptions {
  /** Where `events.db` is, or will be; null: in memory. */
  readonly folder: string | null;
  readonly host: Host;
  /** Clients show the one or the other in the handshake of their WebSockets; with neither, anyone may. */
  readonly apiKey: string | null;
  readonly authString: string | null;
  /** Where what happens to slots and limits is told, too. */
  readonly upstream: UpstreamAddress | null;
  /** What the upstream asks for. */
  readonly upstreamCredentials: Credentials;
  readonly warn: (message: string) => void;
}

export interface Events {
  /** For Prefect's API, below `/api`. */
  readonly routes: readonly Route[];
  /** By their paths, `/api/events/in` and `/api/events/out`. */
  readonly upgrades: Readonly<Record<string, Upgrade>>;
  /** Drops the WebSockets, so that the server can close. */
  dropConnections(): void;
  /** Lets go of the file. Call when nobody asks any more, before the host stops. */
  close(): Promise<void>;
}

/** The first who ask wait so long for what happened before; what is not told by then follows. */
const CATCH_UP_MS = 2_000;

/**
 * Events are made from the journal's history when somebody asks for them: as long as nobody does, there is no thread, no
 * file, and nothing to pay. An upstream asks from the start. What goes wrong with the file is told to `warn` and tried
 * again: slots matter more than telling of them.
 */
export async function openEvents(options: EventsOptions): Promise<Events> {
  const { folder, host, apiKey, authString, upstream, upstreamCredentials, warn } = options;
  const tokens = [apiKey, authString].filter((token) => token !== null);
  const log = new EventLog(folder === null ? null : join(folder, 'events.db'));
  const clientEvents = new ClientEvents(log);
  let feed: JournalFeed | undefined;
  let sender: UpstreamSender | undefined;
  let isReady: Promise<void> | undefined;
  /** Resolves when what happened before has been folded, or has taken too long. */
  const asked = (): Promise<void> => {
    if (log.isClosed) return Promise.resolve();
    feed ??= new JournalFeed({ host, events: log, warn });
    isReady ??= Promise.race([feed.caughtUp, delay(CATCH_UP_MS, undefined, { ref: false })]);
    return isReady;
  };
  /** The events of clients and those who follow need not wait for the past. */
  const asking = (upgrade: Upgrade): Upgrade => {
    return (...connection) => {
      void asked();
      upgrade(...connection);
    };
  };
  const incoming = eventsIn(tokens, clientEvents);
  const outgoing = eventsOut(tokens, log);
  const dropConnections = (): void => {
    incoming.close();
    outgoing.close();
  };
  if (upstream) {
    await asked();
    // It is told of nothing that happened before it was set.
    void feed!.caughtUp.then(() => {
      if (!log.isClosed) sender = new UpstreamSender({ upstream, credentials: upstreamCredentials, events: log, warn });
    });
  }
  return {
    routes: eventRoutes(log, clientEvents).map((route) => ({
      ...route,
      handle: async (call) => {
        await asked();
        return route.handle(call);
      },
    })),
    upgrades: { '/api/events/in': asking(incoming.upgrade), '/api/events/out': asking(outgoing.upgrade) },
    dropConnections,
    async close() {
      dropConnections();
      // What these two wait for ends with the log at the latest.
      await Promise.all([feed?.close(), sender?.close(), log.close()]);
    },
  };
}
