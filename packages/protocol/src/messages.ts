/**
 * The session protocol: what a client and a server send over `/session`.
 *
 * A frame is a number followed by messages, all that one turn of the event loop produced. The client numbers its frames
 * 1, 2, 3 … on each connection; the server's frames start with the number of the last client frame that it has carried
 * out *and made durable* (0 before the first). So every frame is a heartbeat, a frame without messages is nothing else,
 * and an acknowledged `release` needs no answer of its own. The server acknowledges every frame as soon as it may. A client
 * sends a frame that is too long in parts: all but the last have the number 0, and are acknowledged with the last.
 *
 * A connection begins so:
 *
 *   1. The client sends `hello`, which offers the versions of this protocol that it speaks (versions.ts).
 *   2. It sends a `claim` for each lease that it holds, and an `acquire` for each that it waits for.
 *   3. It sends `ready`. The server takes that list as the truth of what the client knows: it releases what is not on the
 *      list, and answers again what has been decided since.
 *   4. The server answers `welcome`, with the version that it has chosen.
 */
import type {
  AcquireRequest,
  Claim,
  Explanation,
  Grant,
  Holder,
  HolderView,
  Lack,
  LimitPatch,
  LimitView,
  Place,
  Refusal,
  RefusalCode,
  WaiterView,
  Warning,
} from '@slotkeeper/engine';
import type { WireError } from './errors.ts';

export type {
  AcquireRequest,
  Claim,
  Explanation,
  Grant,
  Holder,
  HolderView,
  Lack,
  LimitPatch,
  LimitView,
  Place,
  Refusal,
  RefusalCode,
  WaiterView,
  Warning,
};

/** Settings that a user may give: all of a limit's except its mode. A new limit needs `slots`. */
export type LimitSpec = Omit<LimitPatch, 'mode'>;

export type ClientMessage =
  | {
      readonly type: 'hello';
      /** The earliest version that the client speaks. */
      readonly versionMin: number;
      /** Chosen by the client; a secret, since a client that knows it can displace this one. */
      readonly sessionId: string;
      /** Greater than that of each earlier connection of the session. */
      readonly connection: number;
      /** 2,000 … 300,000; null, for ever, only from within the server's own process. */
      readonly ttlMs: number | null;
      readonly apiKey: string | null;
      /** The latest version that it speaks; 0: `versionMin` is the only one. */
      readonly versionMax: number;
    }
  | { readonly type: 'claim'; readonly leaseId: string; readonly token: number }
  | { readonly type: 'acquire'; readonly request: AcquireRequest }
  | { readonly type: 'ready' }
  | { readonly type: 'cancel'; readonly leaseId: string }
  | { readonly type: 'release'; readonly leaseId: string; readonly token: number }
  | { readonly type: 'call'; readonly id: number; readonly method: Method; readonly params: unknown }
  /** The client leaves: all its leases are released, all its acquires cancelled. The server acknowledges it and closes. */
  | { readonly type: 'bye' };

export type ServerMessage =
  | {
      readonly type: 'welcome';
      /** The release of the server. */
      readonly server: string;
      readonly ttlMs: number | null;
      /** The version that the server has chosen of those that the client offered. */
      readonly version: number;
    }
  | { readonly type: 'granted'; readonly leaseId: string; readonly grant: Grant }
  | { readonly type: 'queued'; readonly leaseId: string; readonly place: Place }
  | { readonly type: 'refused'; readonly leaseId: string; readonly error: WireError }
  /** A lease is over, and its holder did not end it. */
  | { readonly type: 'ended'; readonly leaseId: string; readonly error: WireError }
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError }
  /**
   * The last message of a connection. `retry` true: come back, since the server is going away, or speaks no version of the
   * client's and another one may answer next time. False: do not come back with this session, since the credentials are wrong,
   * the protocol was breached, or another connection has displaced this one.
   */
  | { readonly type: 'goodbye'; readonly error: WireError; readonly retry: boolean };

/** The calls: their parameters, and the values that they resolve to. */
export interface Methods {
  'limits.ensure': { params: { name: string; spec: LimitSpec }; value: LimitView };
  'limits.set': { params: { name: string; spec: LimitSpec }; value: LimitView };
  'limits.get': { params: { name: string }; value: LimitView };
  'limits.list': { params: { prefix: string; after: string | null }; value: Page<LimitView> };
  'limits.delete': { params: { name: string; force: boolean }; value: null };
  'limits.pause': { params: { name: string }; value: LimitView };
  /** Answered once nobody holds the limit any more. */
  'limits.drain': { params: { name: string }; value: LimitView };
  'limits.resume': { params: { name: string }; value: LimitView };
  holders: { params: { limit: string | null; after: string | null }; value: Page<HolderView> };
  waiters: { params: { limit: string | null; after: string | null }; value: Page<WaiterView> };
  /** `lease` is the lease's id; 0.1.0 named it so. */
  check: { params: { lease: string; token: number }; value: { valid: boolean } };
}
export type Method = keyof Methods;

/** One page of a list, as of one position of the journal. `next` is the next call's `after`; null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
