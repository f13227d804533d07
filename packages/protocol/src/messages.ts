/**
 * The session protocol: what a client and a server send over `/session`.
 *
 * A frame is a number followed by messages, all that one turn of the event loop produced. The client numbers its frames
 * 1, 2, 3 … on each connection; the server's frames start with the number of the last client frame that it has carried
 * out *and made durable* (0 before the first). So every frame is a heartbeat, a frame without messages is nothing else,
 * and an acknowledged `release` needs no answer of its own. The server acknowledges every frame as soon as it may. A client's
 * frame that is too long as text goes in parts: all but the last have the number 0, and are acknowledged with it.
 *
 * A connection begins with `hello`, which offers the versions of this protocol that the client speaks (versions.ts), then, to resume, a `claim` for each lease the client holds and an `acquire` for each
 * it waits for, then `ready`. The server takes that list as the truth of what the client knows: what is not on it is
 * released, what has been decided since is answered again. It answers `welcome`, with the version it has chosen, and goes on
 * from there.
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

/** Settings a user may give: all of a limit's but its mode. `slots` is needed as a limit is created. */
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
  /** Goes away in order: everything is released and cancelled. The server acknowledges it and closes. */
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
   * The last message of a connection. `retry` true: come back (the server is going away, or speaks no version of the client's:
   * another may answer next time). False: this session is not to come back (wrong credentials, a breach of protocol, or
   * another connection has displaced this one).
   */
  | { readonly type: 'goodbye'; readonly error: WireError; readonly retry: boolean };

/** Each call with what it takes and what it resolves to. */
export interface Methods {
  'limits.ensure': { params: { name: string; spec: LimitSpec }; value: LimitView };
  'limits.set': { params: { name: string; spec: LimitSpec }; value: LimitView };
  'limits.get': { params: { name: string }; value: LimitView };
  'limits.list': { params: { prefix: string; after: string | null }; value: Page<LimitView> };
  'limits.delete': { params: { name: string; force: boolean }; value: null };
  'limits.pause': { params: { name: string }; value: LimitView };
  /** Answered once nobody holds it any more. */
  'limits.drain': { params: { name: string }; value: LimitView };
  'limits.resume': { params: { name: string }; value: LimitView };
  holders: { params: { limit: string | null; after: string | null }; value: Page<HolderView> };
  waiters: { params: { limit: string | null; after: string | null }; value: Page<WaiterView> };
  /** `lease` is its id: the name of it in 0.1.0. */
  check: { params: { lease: string; token: number }; value: { valid: boolean } };
}
export type Method = keyof Methods;

/** One page of a list, from one position of the journal; `next` goes in as `after`, null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
