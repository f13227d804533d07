/** Opens all parts of the events, for the server: store, feed, routes, sockets, and the sender to the upstream. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from '@slotkeeper/protocol/prefect';
import type { Route } from '../api/routes.ts';
import type { Host, Upgrade } from '../host.ts';
import type { Keys } from '../keys.ts';
import type { UpstreamAddress } from '../upstream/address.ts';
import { ClientEvents } from './api/client-events.ts';
import { eventRoutes } from './api/event-routes.ts';
import { eventsIn } from './api/events-in.ts';
import { eventsOut } from './api/events-out.ts';
import { JournalFeed } from './projection/journal-feed.ts';
import { EventLog } from './store/event-log.ts';
import { UpstreamSender } from './upstream-sender.ts';

export interface EventsOptions {
  /** The folder of `events.db`. Null: events are kept in memory. */
  readonly folder: string | null;
  /** The approximate bound on that file. Default: 1 GiB. */
  readonly bytesMax?: number | undefined;
  readonly host: Host;
  /** Says who may open its WebSockets. */
  readonly keys: Keys;
  /** The Prefect server to which events of slots and limits are sent as well. */
  readonly upstream: UpstreamAddress | null;
  /** The credentials for the upstream. */
  readonly upstreamCredentials: Credentials;
  readonly warn: (message: string) => void;
}

export interface Events {
  /** For Prefect's API, below `/api`. */
  readonly routes: readonly Route[];
  /** The WebSockets by their paths, `/api/events/in` and `/api/events/out`. */
  readonly upgrades: Readonly<Record<string, Upgrade>>;
  /** Drops the WebSockets, so that the server can close. */
  dropConnections(): void;
  /** Closes the file. Call when no request is under way any more, before the host stops. */
  close(): Promise<void>;
}

/** How long the first requests wait for the past events to be made. Those that are not made by then follow later. */
const CATCH_UP_MS = 2_000;

/**
 * The first request for events starts a thread that makes them from the journal's history. Until then there is no thread and
 * no file, and nothing to pay. With an upstream it starts at once. A fault of the file is logged by `warn` and tried again: it
 * must not stop the server, since slots matter more than reports of them.
 */
export async function openEvents(options: EventsOptions): Promise<Events> {
  const { folder, bytesMax, host, keys, upstream, upstreamCredentials, warn } = options;
  const log = new EventLog(folder === null ? null : join(folder, 'events.db'), { bytesMax });
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
  const incoming = eventsIn(keys, clientEvents);
  const outgoing = eventsOut(keys, log);
  const dropConnections = (): void => {
    incoming.close();
    outgoing.close();
  };
  if (upstream) {
    await asked();
    // The upstream gets no events from before it was configured.
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
      // Feed and sender may wait for a call of the log; closing the log ends those calls.
      await Promise.all([feed?.close(), sender?.close(), log.close()]);
    },
  };
}
