/**
 * The keys of callers, and their rights. Every entrance checks them before it does anything: the session protocol, Prefect's API,
 * its WebSockets, and the requests that are passed on to the upstream. The server has the keys; the entrances know only this
 * interface.
 */
import type { IncomingMessage } from 'node:http';
import type { Actor } from '@slotkeeper/engine';

/**
 * The rights. Each includes those before it:
 * - `read`: sees limits, holders, waiters, events;
 * - `use`: takes slots and gives them back;
 * - `admin`: creates, changes and deletes limits, and ends the leases of others.
 */
export const RIGHTS = ['read', 'use', 'admin'] as const;
export type Right = (typeof RIGHTS)[number];

export interface Key {
  /** Null: the server asks for none. */
  readonly name: string | null;
  readonly right: Right;
  /** The key is good for limits whose names begin so. Empty: for all limits, and for what belongs to no limit. */
  readonly prefix: string;
  /** Aborts when the key is removed or changed: end all connections that it admitted. */
  readonly ended: AbortSignal;
}

/** The origin of a connection. */
export interface Peer {
  /** Null: this process. */
  readonly address: string | null;
  /** Whether others on the way can read what the client sends. */
  readonly isClear: boolean;
}

export interface Caller {
  readonly key: Key;
  /** The caller, as the facts of its changes name it. */
  readonly by: Actor;
}

/** The result of the check of a key that a client showed. */
export type Shown =
  | { readonly is: 'admitted'; readonly caller: Caller }
  | { readonly is: 'missing' }
  /** Do not send the refusal before `refusable` resolves, so that nobody can try many keys. */
  | { readonly is: 'wrong'; readonly refusable: Promise<void> }
  /** So many wrong keys from that address wait for their refusals that no more are checked. */
  | { readonly is: 'crowded' };

export interface Keys {
  /** Whether clients must show a key. If not, everybody who can reach the server may do everything. */
  readonly isGuarded: boolean;
  peerOf(request: IncomingMessage): Peer;
  /** Checks the request's `Authorization`. */
  ofRequest(request: IncomingMessage): Shown;
  /** Checks the text that a client shows in its first message. */
  ofToken(peer: Peer, token: unknown): Shown;
  /** The key of this `Authorization`. It may be meant for another server, so a wrong one is neither counted nor slowed. */
  find(authorization: string | undefined): Key | undefined;
  /** Like `find`, for a token. */
  findToken(token: unknown): Key | undefined;
}

/** Why the key is not enough for these limits; undefined if it is. */
export function whyNot({ name, right, prefix }: Key, needed: Right, limits: Iterable<string> = []): string | undefined {
  if (RIGHTS.indexOf(right) < RIGHTS.indexOf(needed))
    return `The key '${name}' has the right '${right}', and this asks for '${needed}'.`;
  for (const limit of limits)
    if (!limit.startsWith(prefix))
      return `The key '${name}' is for limits whose names begin with '${prefix}', and '${limit}' does not.`;
  return undefined;
}

/** Why the key is not enough for what belongs to no limit. */
export function whyNotAll(key: Key, needed: Right): string | undefined {
  if (key.prefix !== '')
    return `The key '${key.name}' is for limits whose names begin with '${key.prefix}' alone, and this is of no limit.`;
  return whyNot(key, needed);
}

/** Calls `end` when the key ends. Returns a function that stops that. */
export function untilKeyEnds({ key }: Caller, end: () => void): () => void {
  key.ended.addEventListener('abort', end, { once: true });
  return () => key.ended.removeEventListener('abort', end);
}
