/** Problems of requests and frames: what is wrong with them, as an INVALID_REQUEST at either end. */
import { Malformed, type Problem } from '@slotkeeper/shape';
import type { WireError } from './errors.ts';

export function invalidRequest({ field, reason }: Problem): WireError {
  return { code: 'INVALID_REQUEST', message: `${field} ${reason}.`, details: { field, reason } };
}

/** Thrown for a frame that is not of this protocol. Send a goodbye with `wireError` and close the connection. */
export class ProtocolError extends Error implements Problem {
  override readonly name = 'ProtocolError';
  readonly code = 'INVALID_REQUEST';
  readonly field: string;
  readonly reason: string;

  constructor(field: string, reason: string) {
    super(`${field} ${reason}.`);
    this.field = field;
    this.reason = reason;
  }

  get wireError(): WireError {
    return invalidRequest(this);
  }
}

/** `error` as a `ProtocolError` of the message `type`, if it is a row that cannot be read. */
export function inMessage(type: string, error: unknown): unknown {
  return error instanceof Malformed ? new ProtocolError(error.within(type).field, error.reason) : error;
}
