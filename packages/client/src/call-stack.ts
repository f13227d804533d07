/** A call fails in a later turn, whose stack is the session's. Its error gets the stack of its caller instead. */
import { SlotkeeperError, withStack } from './errors.ts';

/** Settles as `call()` does; an error of ours has the stack of the caller. */
export function fromCaller<T>(call: () => Promise<T>): Promise<T> {
  // A program that has switched stacks off does not pay for them.
  return Error.stackTraceLimit === 0 ? call() : withCaller(call);
}

async function withCaller<T>(call: () => Promise<T>): Promise<T> {
  const here = { stack: '' };
  Error.captureStackTrace(here, fromCaller);
  try {
    return await call();
  } catch (error) {
    if (!SlotkeeperError.is(error)) throw error;
    throw withStack(error, here.stack.slice(here.stack.indexOf('\n')));
  }
}
