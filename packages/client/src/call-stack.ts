/** What goes wrong with a call is known in a later turn, whose stack is the session's: its error is told with the caller's. */
import { SlotkeeperError, withStack } from './errors.ts';

/** Settles as `call()` does; an error of ours has the stack of whoever called. */
export function fromCaller<T>(call: () => Promise<T>): Promise<T> {
  // Whoever has switched stacks off does not pay for them.
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
