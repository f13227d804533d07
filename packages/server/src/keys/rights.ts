/** What each call of the session protocol asks of the caller's key. */
import type { AcquireRequest } from '@slotkeeper/engine';
import { type Caller, type Right, whyNot } from '@slotkeeper/prefect';
import type { Method, Methods, WireError } from '@slotkeeper/protocol';
import type { Replica } from '../replica/replica.ts';

const RIGHTS: { readonly [M in Method]: Right } = {
  // A program ensures its limits as it starts: what is there already it need not administer.
  'limits.ensure': 'use',
  'limits.set': 'admin',
  'limits.get': 'read',
  'limits.list': 'read',
  'limits.delete': 'admin',
  'limits.pause': 'admin',
  'limits.drain': 'admin',
  'limits.resume': 'admin',
  holders: 'read',
  waiters: 'read',
  check: 'read',
};

/** Why the call is not allowed, whose params have been checked. */
export function whyNoCall({ key }: Caller, method: Method, params: unknown, replica: Replica): WireError | undefined {
  const limit = limitOf(params as Methods[Method]['params']);
  const isNew = method === 'limits.ensure' && limit !== undefined && isMissing(replica, limit);
  const right = isNew ? 'admin' : RIGHTS[method];
  return refusal(whyNot(key, right, limit === undefined ? [] : [limit]));
}

/** Why the acquire is not allowed. A limit that it would create takes the right to do so. */
export function whyNoAcquire({ key }: Caller, request: AcquireRequest, replica: Replica): WireError | undefined {
  const { right, prefix } = key;
  if (right === 'admin' && prefix === '') return undefined;
  const names = request.amounts.map(([name]) => name);
  const creates = typeof request.onMissing === 'object' && names.some((name) => isMissing(replica, name));
  return refusal(whyNot(key, creates ? 'admin' : 'use', names));
}

function limitOf(params: Methods[Method]['params']): string | undefined {
  if ('name' in params) return params.name;
  return 'limit' in params && params.limit !== null ? params.limit : undefined;
}

function isMissing(replica: Replica, name: string): boolean {
  return replica.ready && !replica.engine.state.limits.has(name);
}

function refusal(why: string | undefined): WireError | undefined {
  return why === undefined ? undefined : { code: 'AUTH', message: `${why} Ask with another key.`, details: {} };
}
