/**
 * Who may reach the upstream through this server, and which credentials the upstream sees.
 *
 * If this server has keys, clients need one for the upstream as well as for the limits, except for the two probes. The
 * upstream's data belongs to no limit, so a key for some limits alone does not lead there. This server's own credentials are
 * never passed on: those for the upstream take their place, if there are any.
 */
import type { IncomingMessage } from 'node:http';
import { authorizationOf, type Credentials } from '@slotkeeper/protocol/prefect';
import { type Key, type Keys, type Right, type Shown, whyNotAll } from '../keys.ts';
import { pathOf } from './own-paths.ts';

const PROBES = ['/api/health', '/api/ready'];
/** Anywhere in the path: what is behind may read dots and slashes otherwise. */
const ADMIN = /\/admin(\/|$)/i;

export interface UpstreamAccessOptions {
  /** Finds the keys that clients show to this server. */
  readonly ours: Keys;
  /** The credentials that this server shows to the upstream. */
  readonly theirs: Credentials;
  /** Anybody may reach the upstream, with or without credentials. */
  readonly isOpen: boolean;
}

/**
 * Whether the request is a probe, which is open to everybody. A WebSocket on such a path is not.
 *
 * @param target path and query as they were sent: another spelling of the path may be another path to the upstream
 */
export function isProbe({ method }: IncomingMessage, target: string): boolean {
  return method === 'GET' && PROBES.includes(target.split('?', 1)[0]!);
}

/** The right that a request needs. A Prefect server shows secrets to every reader, so `read` is not enough for any request. */
export function rightFor(method: string | undefined, target: string): Right {
  return method !== 'GET' && ADMIN.test(pathOf(target)) ? 'admin' : 'use';
}

export class UpstreamAccess {
  readonly ours: Keys;
  readonly #theirs: Credentials;
  readonly #isOpen: boolean;

  constructor({ ours, theirs, isOpen }: UpstreamAccessOptions) {
    this.ours = ours;
    this.#theirs = theirs;
    this.#isOpen = isOpen;
  }

  /** Whether clients must show credentials. */
  get isGuarded(): boolean {
    return this.ours.isGuarded && !this.#isOpen;
  }

  /** Whether a client's credentials may have to be replaced on the way to the upstream. */
  get replaces(): boolean {
    return this.ours.isGuarded || this.#token !== null;
  }

  /** Undefined: anybody may ask. */
  ofRequest(request: IncomingMessage): Shown | undefined {
    return this.isGuarded ? this.ours.ofRequest(request) : undefined;
  }

  /** The `Authorization` to send to the upstream instead of the client's. */
  authorizationFor(given: string | undefined): string | undefined {
    const key = this.ours.find(given);
    if (this.#stays(key)) return given;
    return this.#lendsTo(key) ? authorizationOf(this.#theirs) : undefined;
  }

  /** The token to send to the upstream instead of the client's. */
  tokenFor(given: unknown): unknown {
    const key = this.ours.findToken(given);
    if (this.#stays(key)) return given;
    // The client of a guarded connection has been admitted, perhaps by its header.
    return this.isGuarded || this.#lendsTo(key) ? this.#token : null;
  }

  /** Whether a client's credentials are passed on as they are. If anybody may ask, they may be meant for the upstream. */
  #stays(key: Key | undefined): boolean {
    if (key || this.isGuarded) return false;
    return this.ours.isGuarded || this.#token === null;
  }

  /** Whether the key's owner may use this server's access to the upstream. A probe comes without a key, and may not. */
  #lendsTo(key: Key | undefined): boolean {
    if (!this.ours.isGuarded) return true;
    return key !== undefined && whyNotAll(key, 'use') === undefined;
  }

  get #token(): string | null {
    return this.#theirs.authString ?? this.#theirs.apiKey ?? null;
  }
}
