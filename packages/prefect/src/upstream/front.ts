/** Which requests the app in front answers itself, and which it passes on to the upstream. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { isOfUnknownLease, PrefectError } from '../api/answers.ts';
import { isOwnPath, isRenewalPath, pathOf, targetOf } from './own-paths.ts';
import type { Upstream } from './upstream.ts';

/** Passes on what the app does not answer itself, before any other hook sees it. Call before other hooks are added. */
export function standInFront(app: FastifyInstance, upstream: Upstream): void {
  app.addHook('onRequest', async ({ raw, originalUrl }, reply) => {
    if (isOwn(originalUrl)) return;
    try {
      await upstream.admit(raw, originalUrl);
    } catch (error) {
      if (error instanceof PrefectError) return refuse(reply, originalUrl, error);
      throw error;
    }
    reply.hijack();
    upstream.forward(raw, reply.raw, originalUrl);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const { raw, originalUrl, body } = request;
    const isRenewal = reply.statusCode === 410 && isRenewalPath(pathOf(targetOf(originalUrl)));
    const isRelease = isOfUnknownLease(reply);
    if (!isRenewal && !isRelease) return done(null, payload);
    // The upstream's answer takes the place of the app's.
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    // The lease may be this server's, and over: its release changes nothing, so it succeeds even without the upstream.
    upstream.forward(raw, reply.raw, originalUrl, { body: bytes, ...(isRelease && { statusWhenAway: 204 }) });
  });
  app.server.on('checkContinue', (request, response) => {
    // For any other path the upstream decides whether it wants the body.
    if (isOwn(request.url)) response.writeContinue();
    app.server.emit('request', request, response);
  });
  app.addHook('preClose', () => upstream.close());
}

/** Outside the API, `WWW-Authenticate` makes a browser ask its user for the auth string. In the API it would confuse clients. */
function refuse(reply: FastifyReply, url: string, { status, body, headers }: PrefectError): FastifyReply {
  const asksUser = status === 401 && !pathOf(targetOf(url)).startsWith('/api/');
  if (asksUser) reply.header('www-authenticate', 'Basic realm="Slotkeeper"');
  return reply.code(status).headers(headers).send(body);
}

function isOwn(url: string | undefined): boolean {
  return isOwnPath(pathOf(targetOf(url)));
}
