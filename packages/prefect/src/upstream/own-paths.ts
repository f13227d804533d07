/** Which paths stay here when all the others go to the upstream. */

const EXACTLY = ['/session', '/healthz', '/readyz'];
const LIMITS = ['/api/concurrency_limits', '/api/v2/concurrency_limits'];
const RENEWAL = /^\/api\/v2\/concurrency_limits\/leases\/[^/]+\/renew\/?$/;

/** The path and query of a request's target, which may be a whole address. */
export function targetOf(url = '/'): string {
  const target = url.replace(/^[a-z]+:\/\/[^/?]*/i, '');
  return target.startsWith('?') || target === '' ? `/${target}` : target;
}

/** The path as servers read it: without the query, and with its escapes decoded. If they are malformed it stays as it is. */
export function pathOf(target: string): string {
  const path = target.replace(/[?#].*$/s, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

export function isOwnPath(path: string): boolean {
  return EXACTLY.includes(path) || LIMITS.some((limits) => path === limits || path.startsWith(`${limits}/`));
}

/**
 * Whether the path renews a lease. A Prefect server itself grants leases on the limits of deployments, and clients renew those
 * over the same path: the upstream may know a lease that this server does not.
 */
export function isRenewalPath(path: string): boolean {
  return RENEWAL.test(path);
}
