/** A key that travels unencrypted beyond this machine: its owner is told as the program connects, not after it was read. */
import { isLoopback } from '@slotkeeper/protocol';
import type { Warning } from './keeper.ts';

/** Undefined: nobody on the way can read the key. */
export function clearKeyWarning(origin: string): Warning | undefined {
  const { protocol, hostname } = new URL(origin);
  if (protocol !== 'http:' || isLoopback(hostname)) return undefined;
  return {
    code: 'KEY_IN_CLEAR',
    message: `The API key travels unencrypted to ${origin}: others on the way can read and use it. Serve https there (serve --tls-cert, --tls-key, or a proxy that does), and connect to that.`,
    details: { address: origin },
  };
}
