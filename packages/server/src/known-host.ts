/**
 * Which host names a server answers to. DNS rebinding:
 *
 *   1. A web page is loaded, and then points its own name at 127.0.0.1.
 *   2. For its visitor's browser, a server on loopback is now the page's own site, so the page may send it any request.
 *   3. The `Host` header still has the page's name. So a server without a key answers only to names that no page can have.
 *
 * Beyond loopback a name such as `http://slotkeeper:4230` is how programs find the server, and the start warns of the
 * missing key. With a key the page has nothing to show.
 */
import { isIP } from 'node:net';
import { isLoopback } from '@slotkeeper/protocol';

export interface KnownHosts {
  /** The address that the server listens on. */
  readonly listensOn: string;
  /** Whether a client must show a key. */
  readonly hasKey: boolean;
  /** Further names, without a port. */
  readonly allowed: readonly string[];
}

/** Takes a request's `Host` header; returns why the request is refused, or undefined. */
export type HostCheck = (host: string | undefined) => string | undefined;

export function hostCheck({ listensOn, hasKey, allowed }: KnownHosts): HostCheck {
  if (hasKey || !isLoopback(listensOn)) return () => undefined;
  const names = new Set(['localhost', ...allowed.map((name) => name.toLowerCase())]);
  return (host) => {
    // A request without the header is of HTTP/1.0, which no browser speaks.
    if (host === undefined) return undefined;
    const name = URL.parse(`http://${host}`)?.hostname ?? host;
    if (isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 || names.has(name)) return undefined;
    return `This server has no key, so it answers only to an address or localhost, not to '${name}'. Name that host with --allow-host, or give the server a key (--api-key).`;
  };
}
