/** How much clients can make the engine keep. More is refused with QUEUE_FULL. */
export interface Bounds {
  readonly limits: number;
  readonly sessions: number;
  readonly waiters: number;
  readonly leases: number;
  readonly waitersPerSession: number;
  readonly leasesPerSession: number;
  /** Of all leases and waiters, estimated; one client has a quarter of it. */
  readonly bytes: number;
  /** Whether clients may create limits. */
  readonly creates: boolean;
}

export const DEFAULT_BOUNDS: Bounds = {
  limits: 200_000,
  sessions: 100_000,
  waiters: 1_000_000,
  leases: 1_000_000,
  waitersPerSession: 100_000,
  leasesPerSession: 100_000,
  bytes: 2 ** 30,
  creates: true,
};

export const CLIENTS_SHARE = 4;
