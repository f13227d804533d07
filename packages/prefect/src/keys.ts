/**
 * Who asks, and what they may. Every door asks this before it does anything: the session protocol, Prefect's API, its
 * WebSockets, the way to the server behind this one. The server has the keys; the doors know this interface alone.
 */
import type { IncomingMessage } from 'node:http';
import type { Actor } from '@slotkeeper/engine';

/**
 * Each includes those before it:
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
  /** It is good for limits whose names begin so; empty: for all, and for what is no limit. */
  readonly prefix: string;
  /** Aborts when the key is removed or changed: what was let in with it is not any more. */
  readonly ended: AbortSignal;
}

/** Where a connection comes from. */
export interface Peer {
  /** Null: from this process. */
  readonly address: string | null;
  /** Others on the way can read what it sends. */
  readonly isClear: boolean;
}

export interface Caller {
  readonly key: Key;
  /** For the facts of what it changes. */
  readonly by: Actor;
}

/** What became of the key that somebody showed. */
export type Shown =
  | { readonly is: 'admitted'; readonly caller: Caller }
  | { readonly is: 'missing' }
  /** The refusal must not be told before `refusable` resolves: so nobody tries many. */
  | { readonly is: 'wrong'; readonly refusable: Promise<void> }
  /** So many wrong ones from that address wait for their answers that no more are looked at. */
  | { readonly is: 'crowded' };

export interface Keys {
  /** Whether clients must show something. If not, all who reach the server may do everything. */
  readonly isGuarded: boolean;
  peerOf(request: IncomingMessage): Peer;
  /** By the request's `Authorization`. */
  ofRequest(request: IncomingMessage): Shown;
  /** By a text that a client shows in its first message. */
  ofToken(peer: Peer, token: string | null): Shown;
  /** Whose `Authorization` it is, of a request that may be meant for another server: nobody is counted or slowed. */
  find(authorization: string | undefined): Key | undefined;
  /** As `find`, of a token. */
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

/** Why the key is not enough for what is of no limit. */
export function whyNotAll(key: Key, needed: Right): string | undefined {
  if (key.prefix !== '')
    return `The key '${key.name}' is for limits whose names begin with '${key.prefix}' alone, and this is of no limit.`;
  return whyNot(key, needed);
}

/** Calls `end` if the key ends first. Returns what to call when nothing is left to end. */
export function untilKeyEnds({ key }: Caller, end: () => void): () => void {
  key.ended.addEventListener('abort', end, { once: true });
  return () => key.ended.removeEventListener('abort', end);
}
