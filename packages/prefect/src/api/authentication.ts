/** Who may use Prefect's API, and for what. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Caller, type Keys, type Right, type Shown, whyNot, whyNotAll } from '../keys.ts';
import { PrefectError } from './answers.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until it is known. */
    caller: Caller | null;
  }
}

/** The caller of a path that anybody may GET. */
const PROBE: Caller = {
  key: { name: null, right: 'read', prefix: '', ended: new AbortController().signal },
  by: { key: null, address: null },
};

/** Finds the caller, before any other hook handles the request. Anybody may GET `openPaths`. */
export function authenticate(app: FastifyInstance, keys: Keys, openPaths: readonly string[]): void {
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request) => {
    const { method, url, raw } = request;
    const isOpen = method === 'GET' && openPaths.includes(url.split('?', 1)[0]!);
    request.caller = isOpen ? PROBE : await admitted(keys.ofRequest(raw));
  });
}

/** Rejects with a `PrefectError` once the refusal may be sent. */
export async function admitted(shown: Shown): Promise<Caller> {
  switch (shown.is) {
    case 'admitted':
      return shown.caller;
    case 'missing':
      throw unauthorized();
    case 'wrong':
      await shown.refusable;
      throw unauthorized();
    case 'crowded':
      throw new PrefectError(
        429,
        { detail: 'Too many wrong keys come from this address. Try again in a second.' },
        { 'retry-after': '1' },
      );
  }
}

export const unauthorized = (): PrefectError => new PrefectError(401, { exception_message: 'Unauthorized' });
export const forbidden = (why: string): PrefectError => new PrefectError(403, { detail: why });

export function callerOf({ caller, url }: FastifyRequest): Caller {
  if (!caller) throw new Error(`nobody knows who asks for ${url}`);
  return caller;
}

/** Throws a `PrefectError` if the caller's key is not enough for these limits. */
export function permit({ key }: Caller, right: Right, limits: Iterable<string> = []): void {
  const why = whyNot(key, right, limits);
  if (why !== undefined) throw forbidden(why);
}

/** Like `permit`, for what belongs to no limit, or to all. */
export function permitAll({ key }: Caller, right: Right): void {
  const why = whyNotAll(key, right);
  if (why !== undefined) throw forbidden(why);
}
