/** Why an acquire waits: the same answer for the timeout error, the API and the command line. */
import type { EngineMs, Holder } from './facts.ts';

export interface Explanation {
  /** The acquire's lease id; null for one that does not stand in the line. */
  readonly ticket: string | null;
  /** 1 for the first in line on the limits it lacks. */
  readonly position: number;
  /** Waiters before it on the limits it lacks. */
  readonly ahead: number;
  readonly lacking: readonly Lack[];
  /** A sentence for people. */
  readonly text: string;
}

export interface Lack {
  readonly name: string;
  readonly wanted: number;
  /** Free and not reserved by waiters before it; may be below `wanted` because of those alone. */
  readonly free: number;
  /** The longest holders first, at most 10 of them. */
  readonly heldBy: readonly {
    readonly leaseId: string;
    readonly holder: Holder;
    readonly slots: number;
    readonly since: EngineMs;
  }[];
}
