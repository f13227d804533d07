/** Where a request comes from, as far as it can be known. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Peer } from '@slotkeeper/prefect';
import { isLoopback } from '@slotkeeper/protocol';

/**
 * @param trustProxy who connects is a proxy, which says in `X-Forwarded-For` and `X-Forwarded-Proto` who asks it, and how. Of
 *   several entries the last is its own; those before it are what its client said.
 */
export function peerOf({ socket, headers }: IncomingMessage, trustProxy: boolean): Peer {
  const direct = plain(socket.remoteAddress ?? 'an unknown address');
  const isTls = (socket as Partial<TLSSocket>).encrypted === true;
  const address = trustProxy ? (lastOf(headers['x-forwarded-for']) ?? direct) : direct;
  const isSecure = isTls || (trustProxy && lastOf(headers['x-forwarded-proto']) === 'https');
  return { address, isClear: !isSecure && !isLoopback(address) };
}

function lastOf(header: string | readonly string[] | undefined): string | undefined {
  return header?.toString().split(',').at(-1)?.trim() || undefined;
}

/** An IPv4 address as such, also where the server listens on IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
