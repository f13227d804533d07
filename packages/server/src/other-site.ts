/** Detects requests that a web page of another site sends through its visitor's browser: none of them may reach a server. */
import type { IncomingHttpHeaders } from 'node:http';

/** Only browsers send `Origin`, and they do with each request that can change something. */
export function isOfAnotherSite({ origin, host }: IncomingHttpHeaders): boolean {
  return origin !== undefined && URL.parse(origin)?.host !== host;
}
