/** The option of `slotkeeper serve` that raises each bound, by the name that a refusal gives the bound. */
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
