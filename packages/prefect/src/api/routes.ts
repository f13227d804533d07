/** Routes as Prefect's server has them: with a trailing slash or without, and 405 for the methods that a path has not. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Body, readBody } from '../input/body.ts';
import type { Caller, Right } from '../keys.ts';
import { PrefectError } from './answers.ts';
import { callerOf, permit } from './authentication.ts';
import { checkApiVersion } from './versions.ts';

export interface Call {
  readonly body: Body;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly reply: FastifyReply;
  readonly caller: Caller;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** The right that the caller's key must have. `handle` checks for which limits. */
  readonly right: Right;
  /** Answers through `reply`, at once or later. An error that it throws or rejects with becomes the answer. */
  readonly handle: (call: Call) => unknown;
  /** Set where the client's API version does not matter. */
  readonly anyVersion?: true;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

export function mount(app: FastifyInstance, routes: readonly Route[]): void {
  for (const [path, onPath] of Map.groupBy(routes, ({ path }) => path)) {
    const has: readonly string[] = onPath.map(({ method }) => method);
    const hasNot = METHODS.filter((method) => !has.includes(method));
    // A stock server names the method of the path's first route alone.
    const error = new PrefectError(405, { detail: 'Method Not Allowed' }, { allow: has[0]! });
    for (const url of path.endsWith('/') ? [path, path.slice(0, -1)] : [path, `${path}/`]) {
      for (const route of onPath)
        app.route({ method: route.method, url, exposeHeadRoute: false, handler: handlerOf(route) });
      app.route({
        method: hasNot,
        url,
        handler: () => {
          throw error;
        },
      });
    }
  }
}

function handlerOf(route: Route) {
  return (request: FastifyRequest, reply: FastifyReply): unknown => {
    const caller = callerOf(request);
    permit(caller, route.right);
    const body = readBody(request.body as Buffer | undefined, request.headers['content-type']);
    if (!route.anyVersion) checkApiVersion(request.headers['x-prefect-api-version']?.toString());
    const params = request.params as Call['params'];
    return route.handle({ body, params, query: request.query as Call['query'], reply, caller });
  };
}
