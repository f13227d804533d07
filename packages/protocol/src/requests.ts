/**
 * Checks of requests. The client checks before it sends, so that its caller gets the error at once. The server checks again,
 * since any program can be a client. Each check returns what is wrong, or undefined.
 */
import {
  boolean,
  count,
  limitName,
  nullable,
  object,
  type Problem,
  type Shape,
  seen,
  shape,
  shortText,
  text,
  uuid,
} from '@slotkeeper/shape';
import type { AcquireRequest, ClientMessage, Method, Methods } from './messages.ts';
import { clientRows } from './rows.ts';
import { limitSpec } from './settings.ts';

/** Checks a decoded acquire. */
export function checkAcquire(request: AcquireRequest): Problem | undefined {
  return clientRows.acquire.checkRead({ type: 'acquire', request });
}

/** Checks a decoded hello, without its key. */
export function checkHello(hello: Extract<ClientMessage, { readonly type: 'hello' }>): Problem | undefined {
  return clientRows.hello.checkRead(hello);
}

const after = nullable(text(10_000));
const named = shape({ name: limitName });
const settings = shape({ name: limitName, spec: object(limitSpec) });
const page = shape({ limit: nullable(limitName), after });

const params: { readonly [M in Method]: Shape<Methods[M]['params']> } = {
  'limits.ensure': settings,
  'limits.set': settings,
  'limits.get': named,
  'limits.list': shape({ prefix: shortText, after }),
  'limits.delete': shape({ name: limitName, force: boolean }),
  'limits.pause': named,
  'limits.drain': named,
  'limits.resume': named,
  holders: page,
  waiters: page,
  check: shape({ lease: uuid, token: count }),
};

/** Checks a decoded call: after this, `params` are those of the method. */
export function checkCall(method: string, value: unknown): Problem | undefined {
  if (!Object.hasOwn(params, method)) return { field: 'method', reason: `is unknown: ${seen(method)}` };
  return params[method as Method].check(value, '');
}
