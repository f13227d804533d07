/**
 * Who may reach the upstream through this server, and what it is shown in their name.
 *
 * With a key or an auth string of this server, the same is asked for the upstream as for the limits, but for the two probes.
 * This server's own credentials never go on: those of the upstream take their place, if it has any.
 */
import type { IncomingMessage } from 'node:http';
import { isKey } from '@slotkeeper/protocol';
import { authorizationOf, type Credentials } from '@slotkeeper/protocol/prefect';

const PROBES = ['/api/health', '/api/ready'];

export interface UpstreamAccessOptions {
  /** What clients show to this server. */
  readonly ours: Credentials;
  /** What this server shows to the upstream. */
  readonly theirs: Credentials;
  /** All may ask the upstream, whatever they show. */
  readonly isOpen: boolean;
}

/**
 * Whether that is open to everybody. A WebSocket on such a path is none.
 *
 * @param target the path, as it was sent (another spelling is another path to somebody), and the query
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

  /** Whether clients must show something. */
  get isGuarded(): boolean {
    return this.#tokens.length > 0 && !this.#isOpen;
  }

  /** Whether what clients show may have to be replaced on the way. */
  get replaces(): boolean {
    return this.#tokens.length > 0 || this.#token !== null;
  }

  admits({ headers }: IncomingMessage): boolean {
    return !this.isGuarded || this.#isOurs(headers.authorization);
  }

  /** Whether the token of a WebSocket's first message is enough. */
  admitsToken(token: unknown): boolean {
    return !this.isGuarded || this.#isOurToken(token);
  }

  /** The `Authorization` that the upstream is shown in place of this one. */
  authorizationFor(given: string | undefined): string | undefined {
    const isOurs = this.#isOurs(given);
    if (this.#stays(isOurs)) return given;
    // A probe without a key is none of this server's.
    return this.isGuarded && !isOurs ? undefined : authorizationOf(this.#theirs);
  }

  /** The token that the upstream is shown in place of this one. */
  tokenFor(given: unknown): unknown {
    return this.#stays(this.#isOurToken(given)) ? given : this.#token;
  }

  /** Whether what a client has shown goes on as it is. */
  #stays(isOurs: boolean): boolean {
    if (isOurs || this.isGuarded) return false;
    // Where all may ask, this server's access to the upstream is still only for those that show a key of this server.
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
