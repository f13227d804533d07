/**
 * The token that a server with CSRF protection asks of its clients, with every POST. Most servers have no such protection,
 * and say so when they are asked for a token.
 */
import type { Reply } from './reply.ts';

const DISABLED = 'CSRF protection is disabled.';

interface Token {
  readonly token: string;
  readonly expiresAtMs: number;
}

export class CsrfToken {
  readonly #client = crypto.randomUUID();
  #token: Token | 'needless' | undefined;

  /** The headers that show the token. `get` asks the server for a path. */
  async headers(get: (path: string) => Promise<Reply>): Promise<Readonly<Record<string, string>>> {
    const token = this.#token;
    if (token === undefined || (token !== 'needless' && token.expiresAtMs < Date.now())) {
      this.#token = tokenOf(await get(`/csrf-token?client=${this.#client}`));
    }
    if (this.#token === 'needless' || this.#token === undefined) return {};
    return { 'Prefect-Csrf-Token': this.#token.token, 'Prefect-Csrf-Client': this.#client };
  }

  /** Whether the server refused the token, perhaps as too old. If so the next headers show a new one. */
  isRefusedBy({ status, text }: Reply): boolean {
    const isRefused = status === 403 && text.includes('Invalid CSRF token');
    if (isRefused) this.#token = undefined;
    return isRefused;
  }
}

/** Undefined if the answer says nothing about tokens. The POST then goes without, and its answer says what is wrong. */
function tokenOf({ status, text, json }: Reply): Token | 'needless' | undefined {
  if (status === 404 || (status === 422 && text.includes(DISABLED))) return 'needless';
  const { token, expiration } = (json ?? {}) as { token?: unknown; expiration?: unknown };
  if (status !== 200 || typeof token !== 'string') return undefined;
  const expiresAtMs = Date.parse(String(expiration));
  return { token, expiresAtMs: Number.isNaN(expiresAtMs) ? Number.POSITIVE_INFINITY : expiresAtMs };
}
