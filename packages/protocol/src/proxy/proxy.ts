/**
 * Proxies as the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, in capitals or not. This machine itself is
 * never reached through a proxy, even if they name one.
 *
 * Node itself uses these variables only if `NODE_USE_ENV_PROXY` is set; then for this machine, too, and without a
 * tunnel for WebSockets. So the way is chosen here, and it is the same with that variable and without it.
 */
import type { Agent } from 'node:http';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';
import { isLoopback } from '../loopback.ts';

export interface HttpProxy {
  /** Its address without credentials, for people. */
  readonly address: string;
  /** Makes a tunnel through it. */
  readonly agent: Agent;
}

/** The proxy on the way to an `http:` or `https:` URL, if there is one that speaks HTTP. */
export function proxyTo(url: string): HttpProxy | undefined {
  if (isLoopback(new URL(url).hostname)) return undefined;
  const proxy = URL.parse(getProxyForUrl(url));
  if (proxy?.protocol !== 'http:' && proxy?.protocol !== 'https:') return undefined;
  return { address: proxy.origin, agent: new HttpsProxyAgent(proxy) };
}
