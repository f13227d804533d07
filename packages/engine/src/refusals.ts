/** Every reason for which the engine says no: made here, and nowhere else. A refusal is a result; a broken invariant throws. */
import type { Explanation } from './explain.ts';

export type RefusalCode =
  | 'ACQUIRE_TIMEOUT'
  | 'LIMIT_NOT_FOUND'
  | 'REQUEST_TOO_LARGE'
  | 'QUEUE_FULL'
  | 'CONFLICT'
  | 'INVALID_REQUEST'
  | 'LEASE_LOST'
  | 'LEASE_REVOKED';

/** The same three over the wire and in the client's errors. `details` hold what was seen, for programs. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}
