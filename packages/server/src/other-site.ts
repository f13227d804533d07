/** A web page elsewhere must not talk to a server on loopback through its visitor's browser, over whichever face. */
import type { IncomingHttpHeaders } from 'node:http';

/** Only browsers tell an origin, and with each request that changes something. */
export function isOfAnotherSite({ origin, host }: IncomingHttpHeaders): boolean {
  return origin !== undefined && URL.parse(origin)?.host !== host;
}
