/** How Prefect's API answers. Every body is JSON, and an error has one of a few shapes that Prefect's clients know. */
import type { FastifyReply } from 'fastify';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** An answer that is not a success: thrown by a route, written by the plugin. */
export class PrefectError extends Error {
  override readonly name = 'PrefectError';
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    super(JSON.stringify(body));
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

export const notFound = (): PrefectError => new PrefectError(404, { detail: 'Not Found' });
/** This package has one for each version of Prefect's API, since each words it differently. */
export const unknownTagLimit = (): PrefectError => new PrefectError(404, { detail: 'Concurrency limit not found' });
export const unknownLimit = (): PrefectError => new PrefectError(404, { detail: 'Concurrency Limit not found' });
export const nameTaken = (): PrefectError =>
  new PrefectError(409, {
    detail:
      'Data integrity conflict. This usually means a unique or foreign key constraint was violated. See server logs for details.',
  });
export const leaseGone = (): PrefectError =>
  new PrefectError(410, { detail: 'Lease not found - it may have expired or been revoked' });
/** A Prefect client repeats a request that was answered so. */
export const unavailable = (): PrefectError => new PrefectError(503, { exception_message: 'Service Unavailable' });

/** The slots are not free. The client repeats its request after `retryAfterSeconds`, if that is given. */
export function locked(detail: string, retryAfterSeconds?: number): PrefectError {
  return new PrefectError(423, { detail }, retryAfterSeconds ? { 'retry-after': String(retryAfterSeconds) } : {});
}

/** Sends bytes: Fastify would add a charset to the content type, and would send a text without the quotes of JSON. */
export function sendJson(
  reply: FastifyReply,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): FastifyReply {
  return reply
    .code(status)
    .headers({ ...headers, 'content-type': 'application/json' })
    .send(Buffer.from(JSON.stringify(body)));
}

/** 204. */
export function sendNothing(reply: FastifyReply): FastifyReply {
  return reply.code(204).send();
}

const ofUnknownLeases = new WeakSet<FastifyReply>();

/** Answers 204 for a lease that this server does not know. The upstream, if there is one, may know it. */
export function sendNothingOfUnknownLease(reply: FastifyReply): FastifyReply {
  ofUnknownLeases.add(reply);
  return sendNothing(reply);
}

export function isOfUnknownLease(reply: FastifyReply): boolean {
  return ofUnknownLeases.has(reply);
}

export function sendError(reply: FastifyReply, { status, body, headers }: PrefectError): FastifyReply {
  return sendJson(reply, status, body, headers);
}
