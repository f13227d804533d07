/**
 * The keys of one server. A key is found by its digest, so that the time this takes reveals nothing of the key. They may be
 * replaced while the server runs: a key whose line is unchanged stays. Every other key ends, with all connections that it admitted.
 */
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Caller, Key, Keys, Peer, Shown } from '@slotkeeper/prefect';
import type { Clock } from '@slotkeeper/protocol';
import type { Credential } from './credentials.ts';
import { sha256 } from './key-file.ts';
import { peerOf } from './peer.ts';
import { WrongKeys } from './wrong-keys.ts';

/** How often a warning of keys that were sent in clear is logged. */
const CLEAR_TOLD_EVERY_MS = 3_600_000;

const MISSING: Shown = { is: 'missing' };
const CROWDED: Shown = { is: 'crowded' };

export interface KeyringOptions {
  /** None: the server asks for no key, and never will. */
  readonly credentials: readonly Credential[];
  readonly clock: Clock;
  readonly trustProxy?: boolean;
  readonly warn: (message: string) => void;
}

interface Held {
  readonly key: Key;
  readonly credential: Credential;
  readonly end: () => void;
}

export class Keyring implements Keys {
  readonly isGuarded: boolean;
  readonly #trustProxy: boolean;
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  readonly #wrong: WrongKeys;
  /** By all of their credential. */
  #held = new Map<string, Held>();
  #byToken = new Map<string, Key>();
  /** By the scheme and the digest of what follows it. */
  #byHeader = new Map<string, Key>();
  #clearToldAtMs = Number.NEGATIVE_INFINITY;

  constructor({ credentials, clock, trustProxy = false, warn }: KeyringOptions) {
    this.isGuarded = credentials.length > 0;
    this.#trustProxy = trustProxy;
    this.#clock = clock;
    this.#warn = warn;
    this.#wrong = new WrongKeys(clock, warn);
    if (this.isGuarded) this.replace(credentials);
  }

  replace(credentials: readonly Credential[]): void {
    const before = this.#held;
    this.#held = new Map();
    this.#byToken = new Map();
    this.#byHeader = new Map();
    for (const credential of credentials) {
      const line = JSON.stringify(credential);
      const held = before.get(line) ?? newlyHeld(credential);
      before.delete(line);
      this.#held.set(line, held);
      this.#byToken.set(credential.ofToken, held.key);
      this.#byHeader.set(`${credential.scheme} ${credential.ofHeader}`, held.key);
    }
    for (const { end } of before.values()) end();
  }

  peerOf(request: IncomingMessage): Peer {
    return peerOf(request, this.#trustProxy);
  }

  ofRequest(request: IncomingMessage): Shown {
    const { authorization } = request.headers;
    return this.#shown(this.peerOf(request), authorization, () => this.find(authorization));
  }

  ofToken(peer: Peer, token: unknown): Shown {
    return this.#shown(peer, token, () => this.findToken(token));
  }

  find(authorization: string | undefined): Key | undefined {
    // A stock Prefect server compares the scheme with upper and lower case as well.
    const [, scheme, secret] = /^(Bearer|Basic) (.*)$/s.exec(authorization ?? '') ?? [];
    return secret === undefined ? undefined : this.#byHeader.get(`${scheme} ${sha256(secret)}`);
  }

  findToken(token: unknown): Key | undefined {
    return typeof token === 'string' ? this.#byToken.get(sha256(token)) : undefined;
  }

  #shown(peer: Peer, given: unknown, find: () => Key | undefined): Shown {
    if (!this.isGuarded) return { is: 'admitted', caller: callerOf(NO_KEY, peer) };
    if (!given) return MISSING;
    const address = peer.address ?? 'this process';
    if (this.#wrong.isCrowded(address)) return CROWDED;
    const key = find();
    if (!key) return { is: 'wrong', refusable: this.#wrong.count(address) };
    if (peer.isClear) this.#tellOfClear(key, address);
    return { is: 'admitted', caller: callerOf(key, peer) };
  }

  #tellOfClear({ name }: Key, address: string): void {
    const now = this.#clock.monotonicMs();
    if (now - this.#clearToldAtMs < CLEAR_TOLD_EVERY_MS) return;
    this.#clearToldAtMs = now;
    this.#warn(
      `The key '${name}' came unencrypted from ${address}: others on the way can read it. Serve HTTPS (--tls-cert, --tls-key), or say --trust-proxy behind a proxy that does. This is said once an hour.`,
    );
  }
}

function callerOf(key: Key, { address }: Peer): Caller {
  return { key, by: { key: key.name, address } };
}

function newlyHeld(credential: Credential): Held {
  const { name, right, prefix } = credential;
  const ended = new AbortController();
  // One a connection.
  setMaxListeners(0, ended.signal);
  return { credential, key: { name, right, prefix, ended: ended.signal }, end: () => ended.abort() };
}

/** Where no key is asked for, everybody may do everything. */
const NO_KEY: Key = { name: null, right: 'admin', prefix: '', ended: neverEnded() };

function neverEnded(): AbortSignal {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  return signal;
}
