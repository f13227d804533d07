/**
 * Every error that a user can meet, each a class with a literal `code`. The server tells code, message and details; the
 * class is made again here. Two copies of this package may be loaded in one process: `instanceof` and
 * `SlotkeeperError.is` go by a shared brand and the code, so they hold across copies.
 */
import type { WireError, Explanation as WireExplanation } from '@slotkeeper/protocol';
import { type Explanation, readExplanation } from './views.ts';

const BRAND = Symbol.for('slotkeeper.error');

export type ErrorCode = keyof ErrorsByCode;
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** The class of each code. */
export interface ErrorsByCode {
  ACQUIRE_TIMEOUT: AcquireTimeoutError;
  LIMIT_NOT_FOUND: LimitNotFoundError;
  REQUEST_TOO_LARGE: RequestTooLargeError;
  QUEUE_FULL: QueueFullError;
  CONFLICT: ConflictError;
  LEASE_LOST: LeaseLostError;
  LEASE_REVOKED: LeaseRevokedError;
  SERVER_UNREACHABLE: ServerUnreachableError;
  AUTH: AuthError;
  INVALID_REQUEST: InvalidRequestError;
}

/** What all errors of this package have in common. The message says what happened and what to do. */
export class SlotkeeperError extends Error {
  readonly code: ErrorCode;
  /** What was seen, for programs. */
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
    Object.defineProperty(this, BRAND, { value: code });
  }

  /** Whether `error` is of this package, whichever copy of it made it, and has the code. */
  static is<C extends ErrorCode>(error: unknown, code?: C): error is ErrorsByCode[C] {
    const found = brandOf(error);
    return found !== undefined && (code === undefined || found === code);
  }
}

function brandOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, BRAND) : undefined;
}

/** The slots did not become free in the time given. Nothing is held. */
export class AcquireTimeoutError extends SlotkeeperError {
  override readonly name = 'TimeoutError';
  override readonly code = 'ACQUIRE_TIMEOUT';
  /** Who held them and who was ahead, as the time ran out; undefined if the server could not be asked. */
  readonly explanation: Explanation | undefined;

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('ACQUIRE_TIMEOUT', message, details, options);
    const explanation = details?.explanation as WireExplanation | undefined;
    this.explanation = explanation && readExplanation(explanation);
  }
}

/** A limit of that name does not exist. */
export class LimitNotFoundError extends SlotkeeperError {
  override readonly name = 'LimitNotFoundError';
  override readonly code = 'LIMIT_NOT_FOUND';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('LIMIT_NOT_FOUND', message, details, options);
  }
}

/** More slots were asked for than the limit has, so that they can never be granted. */
export class RequestTooLargeError extends SlotkeeperError {
  override readonly name = 'RequestTooLargeError';
  override readonly code = 'REQUEST_TOO_LARGE';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('REQUEST_TOO_LARGE', message, details, options);
  }
}

/** As many wait as may: the limit's `maxWaiters`, or a bound of the server. */
export class QueueFullError extends SlotkeeperError {
  override readonly name = 'QueueFullError';
  override readonly code = 'QUEUE_FULL';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('QUEUE_FULL', message, details, options);
  }
}

/** Not possible in the current state: a limit that is draining or still held, a keeper that is closed. */
export class ConflictError extends SlotkeeperError {
  override readonly name = 'ConflictError';
  override readonly code = 'CONFLICT';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('CONFLICT', message, details, options);
  }
}

/** The slots are not safely ours any more. The reason of `lease.signal`. */
export class LeaseLostError extends SlotkeeperError {
  override readonly name = 'LeaseLostError';
  override readonly code = 'LEASE_LOST';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('LEASE_LOST', message, details, options);
  }
}

/** The slots were taken away, by an operator or with their limit. The reason of `lease.signal`. */
export class LeaseRevokedError extends SlotkeeperError {
  override readonly name = 'LeaseRevokedError';
  override readonly code = 'LEASE_REVOKED';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('LEASE_REVOKED', message, details, options);
  }
}

/** Nobody answers at the address. */
export class ServerUnreachableError extends SlotkeeperError {
  override readonly name = 'ServerUnreachableError';
  override readonly code = 'SERVER_UNREACHABLE';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('SERVER_UNREACHABLE', message, details, options);
  }
}

/** The server wants another API key. */
export class AuthError extends SlotkeeperError {
  override readonly name = 'AuthError';
  override readonly code = 'AUTH';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('AUTH', message, details, options);
  }
}

/** What was asked for is not allowed; the message names the field, `details.field` too. Nothing has changed. */
export class InvalidRequestError extends SlotkeeperError {
  override readonly name = 'InvalidRequestError';
  override readonly code = 'INVALID_REQUEST';

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super('INVALID_REQUEST', message, details, options);
  }
}

type ErrorClass<E> = new (message: string, details?: ErrorDetails, options?: ErrorOptions) => E;

const classes: { readonly [C in ErrorCode]: ErrorClass<ErrorsByCode[C]> } = {
  ACQUIRE_TIMEOUT: AcquireTimeoutError,
  LIMIT_NOT_FOUND: LimitNotFoundError,
  REQUEST_TOO_LARGE: RequestTooLargeError,
  QUEUE_FULL: QueueFullError,
  CONFLICT: ConflictError,
  LEASE_LOST: LeaseLostError,
  LEASE_REVOKED: LeaseRevokedError,
  SERVER_UNREACHABLE: ServerUnreachableError,
  AUTH: AuthError,
  INVALID_REQUEST: InvalidRequestError,
};

/** Inherited by all classes; one that was derived elsewhere goes by its prototype, like any other. */
function hasInstance(this: unknown, value: unknown): boolean {
  if (this === SlotkeeperError) return SlotkeeperError.is(value);
  for (const [code, errorClass] of Object.entries(classes)) if (errorClass === this) return brandOf(value) === code;
  return Function.prototype[Symbol.hasInstance].call(this, value);
}

Object.defineProperty(SlotkeeperError, Symbol.hasInstance, { value: hasInstance });

/** The same error, made anew with the stack of a call: one refusal may end many calls, and comes in a turn of its own. */
export function withStack(error: SlotkeeperError, frames: string): SlotkeeperError {
  const options = error.cause === undefined ? undefined : { cause: error.cause };
  const copy = new classes[error.code](error.message, error.details, options);
  copy.stack = `${copy.name}: ${copy.message}${frames}`;
  return copy;
}

/** Nobody of ours answers at `address`. `reason`: what was seen instead. */
export function unreachable(address: string, reason: string, options?: ErrorOptions): ServerUnreachableError {
  return new ServerUnreachableError(
    `The Slotkeeper server at ${address} cannot be reached: ${reason}. Start one there (npx @slotkeeper/server serve, or slotkeeper serve where it is installed), or name another (connect(url), SLOTKEEPER_URL).`,
    { address, reason },
    options,
  );
}

/** A server of ours answers at `address`, but not in a version that we speak. `reason`: which of both to upgrade. */
export function otherVersion(address: string, reason: string): ServerUnreachableError {
  return new ServerUnreachableError(`The Slotkeeper server at ${address} cannot be used: ${reason}.`, {
    address,
    reason,
    isOtherVersion: true,
  });
}

/** The error that the server told. */
export function errorOf({ code, message, details }: WireError): SlotkeeperError {
  return new classes[code](message, details);
}
