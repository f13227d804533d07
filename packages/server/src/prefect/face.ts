/** The face that an unmodified Prefect 3 client knows: its v1 API of tag limits, and what it asks around it. */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '@slotkeeper/protocol';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isKey } from '../api-key.ts';
import type { Replica } from '../replica.ts';
import { notFound, PrefectError, sendError, sendJson } from './answers.ts';
import { nextRequest } from './delivery.ts';
import { DurableAnswers } from './durable-answers.ts';
import { HeldIncrements } from './held-increments.ts';
import { mount } from './routes.ts';
import { serverRoutes } from './server-routes.ts';
import { v1Routes } from './v1-routes.ts';
import { API_VERSION, PREFECT_VERSION } from './versions.ts';

export interface PrefectFaceOptions {
  readonly replica: Replica;
  readonly clock: Clock;
  /** What clients must show as `Authorization: Bearer …`; none: whoever reaches the server may use it. */
  readonly apiKey?: string | null;
  /** How long a request for slots is held open, well below the 60 s after which clients give up; 20 unless told. */
  readonly holdSeconds?: number;
  /** The time to live of v1 leases, which nobody renews; null, the default: they last until they are released. */
  readonly v1LeaseSeconds?: number | null;
  /** The Prefect version told to clients, which refuse one whose major version is not theirs. */
  readonly prefectVersion?: string;
  readonly apiVersion?: string;
  /** Hears of each error that is answered with 500: a bug. */
  readonly broke?: (error: Error) => void;
}

/**
 * A Fastify plugin, to be registered under the prefix `/api`. The app's `routerOptions.maxParamLength`, which is 100 unless
 * told, bounds the tags in paths: it should be 1024, so that a tag that is too long is told so, and is not an unknown path.
 */
export async function prefectFace(app: FastifyInstance, options: PrefectFaceOptions): Promise<void> {
  const { replica, clock, apiKey, holdSeconds = 20, v1LeaseSeconds = null } = options;
  const leaseMs = v1LeaseSeconds === null ? null : v1LeaseSeconds * 1000;
  const answers = new DurableAnswers(replica);
  const increments = new HeldIncrements({ replica, clock, holdMs: holdSeconds * 1000, leaseMs });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, options.broke));
  app.addHook('onRequest', async ({ raw }) => nextRequest(raw.socket));
  if (apiKey) app.addHook('onRequest', bearerOnly(apiKey, [`${app.prefix}/health`, `${app.prefix}/ready`]));
  app.setNotFoundHandler(() => {
    throw notFound();
  });
  app.addHook('preClose', async () => {
    if (replica.ready) increments.sendAllAway();
    await answers.allTold();
    increments.forgetAll();
    // Connections may be closed next: what has been answered is with the operating system by then.
    await setImmediate();
  });
  mount(app, serverRoutes(replica, options.prefectVersion ?? PREFECT_VERSION, options.apiVersion ?? API_VERSION));
  mount(app, v1Routes({ answers, increments, leaseMs }));
}

function bearerOnly(apiKey: string, openPaths: readonly string[]) {
  return async ({ method, url, headers }: FastifyRequest): Promise<void> => {
    if (method === 'GET' && openPaths.includes(url.split('?', 1)[0]!)) return;
    if (isKey(headers.authorization ?? '', `Bearer ${apiKey}`)) return;
    throw new PrefectError(401, { exception_message: 'Unauthorized' });
  };
}

function answerError(error: FastifyError, reply: FastifyReply, broke: PrefectFaceOptions['broke']): FastifyReply {
  if (error instanceof PrefectError) return sendError(reply, error);
  const { statusCode = 500, message } = error;
  if (statusCode < 500) return sendJson(reply, statusCode, { detail: message });
  broke?.(error);
  return sendJson(reply, 500, { exception_message: 'Internal Server Error' });
}
