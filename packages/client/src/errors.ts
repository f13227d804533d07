/**
 * Every error that a user can meet, each a class with a literal `code`. The server sends code, message and details, and an
 * instance of the class is made here. Two copies of this package may be loaded in one process: `instanceof` and
 * `SlotkeeperError.is` go by a shared brand and the code, so they work across copies.
 */
import type { ErrorCode, WireError, Explanation as WireExplanation } from '@slotkeeper/protocol';
import { printable } from '@slotkeeper/shape';
import { withAdvice } from './advice.ts';
import { type Explanation, readExplanation } from './views.ts';

const BRAND = Symbol.for('slotkeeper.error');

export type { ErrorCode } from '@slotkeeper/protocol';

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

/** The base class of all errors of this package. The message says what happened and what to do. */
export class SlotkeeperError extends Error {
  readonly code: ErrorCode;
  /** The values seen, for programs. */
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    // Anybody may choose the names and labels in the message, and it may be shown on a terminal.
    super(printable(message), options);
    this.code = code;
    this.details = details;
    Object.defineProperty(this, BRAND, { value: code });
  }

  /** Whether `error` is an error of this package, made by any copy of it, and has the code. */
  static is<C extends ErrorCode>(error: unknown, code?: C): error is ErrorsByCode[C] {
    const found = brandOf(error);
    return found !== undefined && (code === undefined || found === code);
  }
}

function brandOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, BRAND) : undefined;
}

/** The class of one code. */
interface ErrorClass<C extends ErrorCode, N extends string> {
  new (
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ): SlotkeeperError & { readonly code: C; readonly name: N };
}

function errorClass<C extends ErrorCode, N extends string>(code: C, name: N): ErrorClass<C, N> {
  const made = class extends SlotkeeperError {
    override readonly code = code;
    override readonly name = name;

    constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
      super(code, message, details, options);
    }
  };
  return Object.defineProperty(made, 'name', { value: name });
}

/** The slots did not become free in the time given. Nothing is held. */
export class AcquireTimeoutError extends errorClass('ACQUIRE_TIMEOUT', 'TimeoutError') {
  /** Who held them and who was ahead, as the time ran out; undefined if the server could not be asked. */
  readonly explanation: Explanation | undefined;

  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super(message, details, options);
    const explanation = details?.explanation as WireExplanation | undefined;
    this.explanation = explanation && readExplanation(explanation);
  }
}

/** A limit of that name does not exist. */
export const LimitNotFoundError = errorClass('LIMIT_NOT_FOUND', 'LimitNotFoundError');
export type LimitNotFoundError = InstanceType<typeof LimitNotFoundError>;

/** More slots were asked for than the limit has, so that they can never be granted. */
export const RequestTooLargeError = errorClass('REQUEST_TOO_LARGE', 'RequestTooLargeError');
export type RequestTooLargeError = InstanceType<typeof RequestTooLargeError>;

/** No more acquires may wait: the limit's `maxWaiters`, or a bound of the server, is reached. */
export const QueueFullError = errorClass('QUEUE_FULL', 'QueueFullError');
export type QueueFullError = InstanceType<typeof QueueFullError>;

/** Not possible in the current state: a limit that is draining or still held, a keeper that is closed. */
export const ConflictError = errorClass('CONFLICT', 'ConflictError');
export type ConflictError = InstanceType<typeof ConflictError>;

/** The slots are not safely ours any more. The reason of `lease.signal`. */
export const LeaseLostError = errorClass('LEASE_LOST', 'LeaseLostError');
export type LeaseLostError = InstanceType<typeof LeaseLostError>;

/** The slots were taken away, by an operator or with their limit. The reason of `lease.signal`. */
export const LeaseRevokedError = errorClass('LEASE_REVOKED', 'LeaseRevokedError');
export type LeaseRevokedError = InstanceType<typeof LeaseRevokedError>;

/** No server answers at the address, or none that has a protocol version in common with this client. */
export const ServerUnreachableError = errorClass('SERVER_UNREACHABLE', 'ServerUnreachableError');
export type ServerUnreachableError = InstanceType<typeof ServerUnreachableError>;

/** The server wants another API key. */
export const AuthError = errorClass('AUTH', 'AuthError');
export type AuthError = InstanceType<typeof AuthError>;

/** What was asked for is not allowed; the message names the field, `details.field` too. Nothing has changed. */
export const InvalidRequestError = errorClass('INVALID_REQUEST', 'InvalidRequestError');
export type InvalidRequestError = InstanceType<typeof InvalidRequestError>;

const classes: {
  readonly [C in ErrorCode]: new (
    message: string,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) => ErrorsByCode[C];
} = {
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

/** All classes of this file inherit it. For a class that a program derives from one of them, the prototype decides as usual. */
function hasInstance(this: unknown, value: unknown): boolean {
  if (this === SlotkeeperError) return SlotkeeperError.is(value);
  for (const [code, errorClass] of Object.entries(classes)) if (errorClass === this) return brandOf(value) === code;
  return Function.prototype[Symbol.hasInstance].call(this, value);
}

Object.defineProperty(SlotkeeperError, Symbol.hasInstance, { value: hasInstance });

/** A copy of the error with the stack of a call. One refusal may end many calls, each of which needs its own stack. */
export function withStack(error: SlotkeeperError, frames: string): SlotkeeperError {
  const options = error.cause === undefined ? undefined : { cause: error.cause };
  const copy = made(error.code, error.message, error.details, options);
  copy.stack = `${copy.name}: ${copy.message}${frames}`;
  return copy;
}

/** No Slotkeeper server answers at `address`. `reason`: what was seen instead. */
export function unreachable(address: string, reason: string, options?: ErrorOptions): ServerUnreachableError {
  return new ServerUnreachableError(
    `The Slotkeeper server at ${address} cannot be reached: ${reason}. Start one there (npx @slotkeeper/server serve, or slotkeeper serve where it is installed), or name another (connect(url), SLOTKEEPER_URL).`,
    { address, reason },
    options,
  );
}

/** A Slotkeeper server answers at `address`, but cannot serve this client. `reason`: the server's, or which of both to upgrade. */
export function unusable(address: string, reason: string): ServerUnreachableError {
  return new ServerUnreachableError(`The Slotkeeper server at ${address} cannot be used: ${reason}.`, {
    address,
    reason,
    isThere: true,
  });
}

/** The server's error as an instance of its class, with advice. `isOfCall`: of a call of the keeper, not of an acquire. */
export function errorOf(error: WireError, isOfCall = false): SlotkeeperError {
  return made(error.code, withAdvice(error, isOfCall), error.details);
}

/** A code of a later server has no class of its own here. */
function made(code: ErrorCode, message: string, details: ErrorDetails, options?: ErrorOptions): SlotkeeperError {
  return Object.hasOwn(classes, code)
    ? new classes[code](message, details, options)
    : new SlotkeeperError(code, message, details, options);
}
