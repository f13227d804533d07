import { isIP } from 'node:net';

/** Whether a host is this machine as only its own programs reach it. IPv6 may stand in brackets, as in a URL. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (address === 'localhost' || address.endsWith('.localhost') || address === '::1') return true;
  return isIP(address) === 4 && address.startsWith('127.');
}
