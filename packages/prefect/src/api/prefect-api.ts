/** The API that an unmodified Prefect 3 client knows: tag limits, global limits, and what it asks around them. */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '@slotkeeper/protocol';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { v2Routes } from '../global-limits/routes.ts';
import type { Host } from '../host.ts';
import { nextRequest } from '../increments/delivery.ts';
import { HeldIncrements } from '../increments/held-increments.ts';
import type { Keys } from '../keys.ts';
import { v1Routes } from '../tag-limits/routes.ts';
import { notFound, PrefectError, sendError, sendJson } from './answers.ts';
import { authenticate } from './authentication.ts';
import { DurableAnswers } from './durable-answers.ts';
import { mount, type Route } from './routes.ts';
import { serverRoutes } from './server-routes.ts';
import { toldVersion } from './versions.ts';

export interface PrefectApiOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** Says who may use it, by the `Authorization` that a client shows. */
  readonly keys: Keys;
  /** How long a request for slots is held open: well below the 60 s after which clients give up. Default: 20. */
  readonly holdSeconds?: number;
  /** The time to live of v1 leases, which no client renews. Default: null, they last until they are released. */
  readonly v1LeaseSeconds?: number | null;
  /**
   * The Prefect version that this server says it is. A client refuses one with another major version than its own.
   * Default: the client's own version, where that is known to work.
   */
  readonly prefectVersion?: string;
  /** Further routes below the prefix. */
  readonly routes?: readonly Route[];
  /** Called with each error that is answered with 500: a bug. */
  readonly broke?: (error: Error) => void;
}

/**
 * A Fastify plugin; register it under the prefix `/api`. Set the app's `routerOptions.maxParamLength` to 1024. Its default of
 * 100 bounds the tags in paths, and answers 404 for a longer one instead of saying that it is too long.
 */
export async function prefectApi(app: FastifyInstance, options: PrefectApiOptions): Promise<void> {
  const { host, clock, keys, holdSeconds = 20, v1LeaseSeconds = null } = options;
  const leaseMs = v1LeaseSeconds === null ? null : v1LeaseSeconds * 1000;
  const answers = new DurableAnswers(host);
  const increments = new HeldIncrements({ host, clock, holdMs: holdSeconds * 1000 });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, options.broke));
  // The first of all listeners, so that it sees requests that are passed on to the upstream, too.
  app.server.prependListener('request', ({ socket }) => nextRequest(socket));
  authenticate(app, keys, [`${app.prefix}/health`, `${app.prefix}/ready`]);
  app.setNotFoundHandler(() => {
    throw notFound();
  });
  app.addHook('preClose', async () => {
    if (host.ready) increments.sendAllAway();
    await answers.allSettled();
    increments.forgetAll();
    // The server closes its connections next. By the next turn, Node has handed all answers to the operating system.
    await setImmediate();
  });
  const version = toldVersion(options.prefectVersion);
  mount(app, serverRoutes(host, version));
  mount(app, [
    ...v1Routes({ answers, increments, leaseMs }),
    ...v2Routes({ answers, increments, version }),
    ...(options.routes ?? []),
  ]);
}

function answerError(error: FastifyError, reply: FastifyReply, broke: PrefectApiOptions['broke']): FastifyReply {
  if (error instanceof PrefectError) return sendError(reply, error);
  const { statusCode = 500, message } = error;
  if (statusCode < 500) return sendJson(reply, statusCode, { detail: message });
  broke?.(error);
  return sendJson(reply, 500, { exception_message: 'Internal Server Error' });
}
