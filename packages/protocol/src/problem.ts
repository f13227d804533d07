/** What is wrong with something that was asked for: made where it is seen, told as INVALID_REQUEST at either end. */
import type { WireError } from './messages.ts';

export interface Problem {
  /** The field as its sender knows it: `slots`, `limits['db']`, `acquire.lease`. */
  readonly field: string;
  /** What it must be, and what was seen: reads on from the field. */
  readonly reason: string;
}

export function invalidRequest({ field, reason }: Problem): WireError {
  return { code: 'INVALID_REQUEST', message: `${field} ${reason}.`, details: { field, reason } };
}

/** A frame that is not of this protocol. Its connection is beyond repair: say goodbye with `wireError` and close it. */
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

/** A value as it is shown in a reason: short, whatever it is. */
export function seen(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length <= 40 ? value : `${value.slice(0, 40)}…`);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === undefined ? 'missing' : `of type ${typeof value}`;
}
