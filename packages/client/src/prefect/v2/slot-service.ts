/** A server that slots are taken from: a Prefect server over its REST API, or a keeper of our own. */
import type { Deadline } from '../shared/deadline.ts';
import type { Service } from '../shared/servers.ts';

/** Who the slots belong to, for people. */
export interface ConcurrencyLeaseHolder {
  readonly type: 'flow_run' | 'task_run' | 'deployment';
  /** A UUID. */
  readonly id: string;
}

/** The same of each limit, all or nothing. */
export interface SlotRequest {
  /** Distinct, at least one. */
  readonly names: readonly string[];
  readonly slots: number;
}

export interface LeaseRequest extends SlotRequest {
  readonly leaseDurationSeconds: number;
  /** None: as many as there is time for until the deadline. */
  readonly maxRetries: number | undefined;
  readonly holder: ConcurrencyLeaseHolder | undefined;
  /** Whether the holder stops once it may have lost the slots. If not, it goes on until they are lost for certain. */
  readonly stopsWhenUnsure: boolean;
}

export interface SlotService extends Service {
  /**
   * Takes a lease, and waits for the slots until the deadline. Leaks nothing when it rejects.
   *
   * @returns undefined if there are no limits of these names
   * @throws the deadline's error once that is over, or why the slots cannot be taken
   */
  acquire(request: LeaseRequest, deadline: Deadline): Promise<Hold | undefined>;

  /**
   * Takes from rates, as `acquire` does; there is nothing to give back.
   *
   * @returns false if there are no limits of these names
   */
  spend(request: SlotRequest, deadline: Deadline): Promise<boolean>;

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
