/** Where the upstream is. */

export interface UpstreamAddress {
  /** `http://127.0.0.1:4200` */
  readonly origin: string;
  /** The path before `/api`: `/prefect` if the upstream's API is at `/prefect/api`. Usually empty. */
  readonly prefix: string;
}

/**
 * @param text the root of a Prefect server, or its API: `http://127.0.0.1:4200`, `http://127.0.0.1:4200/api`
 * @returns undefined if no server can have that address
 */
export function upstreamAddress(text: string): UpstreamAddress | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  if (url.username || url.password || url.search || url.hash) return undefined;
  const prefix = url.pathname.replace(/\/+$/, '').replace(/\/api$/, '');
  return { origin: url.origin, prefix };
}
