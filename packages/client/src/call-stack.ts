/** A call fails in a later turn, whose stack is the session's. Its error gets the stack of its caller instead. */
import { SlotkeeperError, withStack } from './errors.ts';

/**
 * Settles as `call()` does. An error of ours gets the stack of the functions that await it. V8 knows these when this function
 * goes on after its `await`, so a call that succeeds pays for no stack.
 */
export async function fromCaller<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    // A program that has switched stacks off gets none.
    if (!SlotkeeperError.is(error) || Error.stackTraceLimit === 0) throw error;
    const here = { stack: '' };
    Error.captureStackTrace(here, fromCaller);
    throw withStack(error, here.stack.slice(here.stack.indexOf('\n')));
  }
}
