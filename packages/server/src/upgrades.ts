/** WebSockets by their path, on the server's one port. */
import type { IncomingMessage, Server, ServerOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HostCheck } from './known-host.ts';
import { isOfAnotherSite } from './other-site.ts';

/** Takes over the connection of a request that asked to be upgraded. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Options of the HTTP server: a request to upgrade to another protocol than WebSocket is answered without an upgrade. */
export const WEBSOCKETS_ONLY: ServerOptions = {
  shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
};

/**
 * @param elsewhere the upgrade for all other paths; it checks itself who may use them
 * @param refusalOf why a request with that `Host` is refused
 */
export function serveUpgrades(
  server: Server,
  upgrades: Readonly<Record<string, Upgrade>>,
  elsewhere?: Upgrade,
  refusalOf: HostCheck = () => undefined,
): void {
  server.on('upgrade', (request, socket, head) => {
    // Node no longer handles errors of this socket, and a reset connection must not end the process.
    socket.on('error', () => socket.destroy());
    const path = URL.parse(request.url ?? '/', 'http://localhost')?.pathname ?? '';
    const upgrade = Object.hasOwn(upgrades, path) ? upgrades[path] : undefined;
    if (refusalOf(request.headers.host)) refuse(socket, '421 Misdirected Request');
    else if (!upgrade) elsewhere ? elsewhere(request, socket, head) : refuse(socket, '404 Not Found');
    else ofThisSite(upgrade)(request, socket, head);
  });
}

/** Refuses the pages of other sites. */
export function ofThisSite(upgrade: Upgrade): Upgrade {
  return (request, socket, head) => {
    if (isOfAnotherSite(request.headers)) refuse(socket, '403 Forbidden');
    else upgrade(request, socket, head);
  };
}

export function refuse(socket: Duplex, status: '403 Forbidden' | '404 Not Found' | '421 Misdirected Request'): void {
  // A refused client may never close its end.
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
