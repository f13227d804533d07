/** How much the engine bears. Beyond it an acquire, or a new session, is refused with QUEUE_FULL. */
export interface Bounds {
  readonly sessions: number;
  readonly waiters: number;
  readonly waitersPerSession: number;
  readonly leasesPerSession: number;
}

export const DEFAULT_BOUNDS: Bounds = {
  sessions: 100_000,
  waiters: 1_000_000,
  waitersPerSession: 100_000,
  leasesPerSession: 100_000,
};
