/**
 * Who may reach the upstream through this server, and which credentials the upstream sees.
 *
 * If this server has a key or an auth string, clients need it for the upstream as well as for the limits, except for the two
 * probes. This server's own credentials are never passed on: those for the upstream take their place, if there are any.
 */
import type { IncomingMessage } from 'node:http';
import { isKey } from '@slotkeeper/protocol';
import { authorizationOf, type Credentials } from '@slotkeeper/protocol/prefect';

const PROBES = ['/api/health', '/api/ready'];

export interface UpstreamAccessOptions {
  /** The credentials that clients show to this server. */
  readonly ours: Credentials;
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

export class UpstreamAccess {
  readonly #tokens: readonly string[];
  readonly #authorizations: readonly string[];
  readonly #theirs: Credentials;
  readonly #isOpen: boolean;

  constructor({ ours: { apiKey, authString }, theirs, isOpen }: UpstreamAccessOptions) {
    this.#tokens = [apiKey, authString].filter((token) => token != null);
    this.#authorizations = [authorizationOf({ apiKey }), authorizationOf({ authString })].filter(
      (a) => a !== undefined,
    );
    this.#theirs = theirs;
    this.#isOpen = isOpen;
  }

  /** Whether clients must show credentials. */
  get isGuarded(): boolean {
    return this.#tokens.length > 0 && !this.#isOpen;
  }

  /** Whether a client's credentials may have to be replaced on the way to the upstream. */
  get replaces(): boolean {
    return this.#tokens.length > 0 || this.#token !== null;
  }

  admits({ headers }: IncomingMessage): boolean {
    return !this.isGuarded || this.#isOurs(headers.authorization);
  }

  /** Whether a client may go on with the token of its WebSocket's first message. */
  admitsToken(token: unknown): boolean {
    return !this.isGuarded || this.#isOurToken(token);
  }

  /** The `Authorization` to send to the upstream instead of the client's. */
  authorizationFor(given: string | undefined): string | undefined {
    const isOurs = this.#isOurs(given);
    if (this.#stays(isOurs)) return given;
    // Only a probe comes here without the key of a server that has one: it gets no access of this server's.
    return this.isGuarded && !isOurs ? undefined : authorizationOf(this.#theirs);
  }

  /** The token to send to the upstream instead of the client's. */
  tokenFor(given: unknown): unknown {
    return this.#stays(this.#isOurToken(given)) ? given : this.#token;
  }

  /** Whether a client's credentials are passed on as they are. */
  #stays(isOurs: boolean): boolean {
    if (isOurs || this.isGuarded) return false;
    // Even if anybody may reach the upstream, only a client with this server's key uses this server's access to it.
    return this.#tokens.length > 0 || this.#token === null;
  }

  get #token(): string | null {
    return this.#theirs.authString ?? this.#theirs.apiKey ?? null;
  }

  #isOurs(authorization: string | undefined): boolean {
    return authorization !== undefined && this.#authorizations.some((ours) => isKey(authorization, ours));
  }

  #isOurToken(token: unknown): boolean {
    return typeof token === 'string' && this.#tokens.some((ours) => isKey(token, ours));
  }
}
