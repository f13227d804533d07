/** Which paths stay here when all the others go to the upstream. */

const EXACTLY = ['/session', '/healthz', '/readyz'];
const LIMITS = ['/api/concurrency_limits', '/api/v2/concurrency_limits'];
const RENEWAL = /^\/api\/v2\/concurrency_limits\/leases\/[^/]+\/renew\/?$/;

/** The path and the query of what a request line asks for, which may be a whole address. */
export function targetOf(url = '/'): string {
  const target = url.replace(/^[a-z]+:\/\/[^/?]*/i, '');
  return target.startsWith('?') || target === '' ? `/${target}` : target;
}

/** The path as servers read it: without the query, escapes undone, or as it is where they mean nothing. */
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
 * Whether a lease is renewed there. A Prefect server grants leases on the limits of deployments by itself, and its clients
 * renew them: one that is not known here may be known there.
 */
export function isRenewalPath(path: string): boolean {
  return RENEWAL.test(path);
}
