import './node-version.ts';

export type { AcquireOptions, OnMissing, RateOptions, TryOptions } from './acquire-call.ts';
export { type ConnectOptions, connect } from './connect.ts';
export { acquire, close, concurrency, rateLimit, tryAcquire } from './default-keeper.ts';
export {
  AcquireTimeoutError,
  AuthError,
  ConflictError,
  type ErrorCode,
  type ErrorDetails,
  InvalidRequestError,
  LeaseLostError,
  LeaseRevokedError,
  LimitNotFoundError,
  QueueFullError,
  RequestTooLargeError,
  ServerUnreachableError,
  SlotkeeperError,
} from './errors.ts';
export type { Body, Keeper, RateTaken, Warning } from './keeper.ts';
export type { Lease } from './lease.ts';
export type { LimitCatalog, LimitSpec } from './limits.ts';
export type { Declared, LimitName, Limits, NamesIn, Register } from './register.ts';
export type { Status } from './session.ts';
export type { Explanation, Holder, HolderLabel, Lack, Limit, SlotsOf, Waiter } from './views.ts';
