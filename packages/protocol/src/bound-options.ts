/** The server's option for each bound that a refusal may name, for whoever has to raise it. */
const BOUND_OPTIONS: Readonly<Record<string, string>> = {
  limits: '--max-limits',
  sessions: '--max-clients',
  waiters: '--max-waiters',
  leases: '--max-leases',
  waitersPerSession: '--max-waiters-per-client',
  leasesPerSession: '--max-leases-per-client',
  bytes: '--max-bytes',
};

/** Undefined of a bound that has none. `bound` is a detail of the refusal. */
export function optionOfBound(bound: unknown): string | undefined {
  return typeof bound === 'string' && Object.hasOwn(BOUND_OPTIONS, bound) ? BOUND_OPTIONS[bound] : undefined;
}
