/** Server addresses: what a URL means. */
import { seen } from '@slotkeeper/shape';
import { refuse } from './refuse.ts';

export const DEFAULT_URL = 'http://127.0.0.1:4230';

export type Address =
  /**
   * A server in another process. `sessionUrl` begins with `http:` or `https:`, as the URL does. `isApi`: the URL was that of a
   * Prefect API, where another server may answer.
   */
  | { readonly type: 'server'; readonly origin: string; readonly sessionUrl: string; readonly isApi: boolean }
  /** The engine in this process; undefined: in memory. */
  | { readonly type: 'embedded'; readonly file: string | undefined };

/** Throws `InvalidRequestError`. */
export function readAddress(url: string): Address {
  if (typeof url !== 'string') refuse({ field: 'url', reason: `must be text, but was ${seen(url)}` });
  if (url.startsWith('embedded:')) return { type: 'embedded', file: url.slice('embedded:'.length) || undefined };
  const parsed = URL.parse(url);
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:')
    return refuse({
      field: 'url',
      reason: `must be http(s)://host:port of a Slotkeeper server, or 'embedded:' with or without a file, but was '${url.replace(/\/\/.*@/, '//…@')}'`,
    });
  if (parsed.username || parsed.password)
    refuse({ field: 'url', reason: 'must be without user and password: a server asks for an API key instead' });
  const path = parsed.pathname.replace(/\/+$/, '');
  const isApi = path.endsWith('/api');
  const origin = parsed.origin + (isApi ? path.slice(0, -'/api'.length) : path);
  return { type: 'server', origin, sessionUrl: `${origin}/session`, isApi };
}
