/**
 * Every error that a user can meet: the one table of codes. The server sends code, message (what happened, with the values)
 * and details. The client's error classes, the command and Prefect's API add what to do about it.
 */
import type { Refusal, RefusalCode } from '@slotkeeper/engine';

export interface ErrorKind {
  /** The status of an answer over HTTP. */
  readonly status: number;
  /** Whether the same request may succeed later, unchanged. */
  readonly retry: boolean;
  readonly meaning: string;
}

/** Codes that do not come from the engine join its own here. */
type Code = RefusalCode | 'AUTH' | 'SERVER_UNREACHABLE';

export const ERRORS: { readonly [C in Code]: ErrorKind } = {
  ACQUIRE_TIMEOUT: {
    status: 423,
    retry: true,
    meaning: 'The slots did not become free in the time given. Nothing is held.',
  },
  LIMIT_NOT_FOUND: { status: 404, retry: false, meaning: 'A limit of that name does not exist.' },
  REQUEST_TOO_LARGE: {
    status: 422,
    retry: false,
    meaning: 'More slots were asked for than the limit has, so that they can never be granted.',
  },
  QUEUE_FULL: {
    status: 429,
    retry: true,
    meaning: 'As many wait as may: the limit’s `maxWaiters`, or a bound of the server.',
  },
  CONFLICT: {
    status: 409,
    retry: false,
    meaning: 'Not possible in the current state: a limit that is draining or still held, a keeper that is closed.',
  },
  LEASE_LOST: {
    status: 410,
    retry: false,
    meaning: 'The slots are not safely ours any more. The reason of `lease.signal`.',
  },
  LEASE_REVOKED: {
    status: 410,
    retry: false,
    meaning: 'The slots were taken away, by an operator or with their limit. The reason of `lease.signal`.',
  },
  SERVER_UNREACHABLE: {
    status: 503,
    retry: true,
    meaning: 'No server answers at the address, or none that client and server both can talk to.',
  },
  AUTH: { status: 401, retry: false, meaning: 'The server asks for another API key.' },
  INVALID_REQUEST: {
    status: 422,
    retry: false,
    meaning: 'What was asked for is not allowed; `details.field` names the field. Nothing has changed.',
  },
};

export type ErrorCode = keyof typeof ERRORS;

/** An error as it goes over the wire. */
export type WireError = Omit<Refusal, 'code'> & { readonly code: ErrorCode };
