/** What takes slots and gives them back: a Prefect server by its REST API, or a keeper of our own. */
import type { Patience } from '../shared/patience.ts';
import type { Service } from '../shared/servers.ts';

/** Who the slots belong to, for people. */
export interface ConcurrencyLeaseHolder {
  readonly type: 'flow_run' | 'task_run' | 'deployment';
  /** A UUID. */
  readonly id: string;
}

/** The same of each limit, all or nothing. */
export interface Wanted {
  /** Distinct, at least one. */
  readonly names: readonly string[];
  readonly slots: number;
}

export interface WantedLease extends Wanted {
  readonly leaseDurationSeconds: number;
  /** None: as many as `patience` lasts for. */
  readonly maxRetries: number | undefined;
  readonly holder: ConcurrencyLeaseHolder | undefined;
  /** Whether the holder stops as the slots may no longer be its own; else it goes on for as long as they may be. */
  readonly stopsWhenUnsure: boolean;
}

export interface SlotService extends Service {
  /**
   * Takes a lease, waiting for the slots as long as `patience` lasts. Leaks nothing when it rejects.
   *
   * @returns undefined if there are no limits of these names
   * @throws the reason of `patience.over` once that aborts, or why the slots cannot be taken
   */
  acquire(wanted: WantedLease, patience: Patience): Promise<Hold | undefined>;

  /**
   * Takes from rates, as `acquire` does; there is nothing to give back.
   *
   * @returns false if there are no limits of these names
   */
  spend(wanted: Wanted, patience: Patience): Promise<boolean>;

  /** Gives back what the lease holds; changes nothing where it holds nothing any more. */
  release(leaseId: string): Promise<void>;
}

/** A lease that is kept alive until it is released. */
export interface Hold {
  readonly leaseId: string;
  /** Aborts when the slots are no longer, or not safely, reserved; its reason says why. */
  readonly lost: AbortSignal;
  /** Gives them back, once. Rejects with the signal's reason when that aborts before it is known that they are back. */
  release(signal: AbortSignal | undefined): Promise<void>;
}
