/** How the app in front and the server behind it share what is asked. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { isOfUnknownLease } from '../api/answers.ts';
import { isOwnPath, isRenewalPath, pathOf, targetOf } from './own-paths.ts';
import { UNAUTHORIZED, type Upstream } from './upstream.ts';

/** What the app does not answer itself is passed on, before any other hook sees it: to be called before all others. */
export function standInFront(app: FastifyInstance, upstream: Upstream): void {
  app.addHook('onRequest', async ({ raw, originalUrl }, reply) => {
    if (isOwn(originalUrl)) return;
    if (!upstream.admits(raw, originalUrl)) return refuse(reply, originalUrl);
    reply.hijack();
    upstream.forward(raw, reply.raw, originalUrl);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const { raw, originalUrl, body } = request;
    const isRenewal = reply.statusCode === 410 && isRenewalPath(pathOf(targetOf(originalUrl)));
    const isRelease = isOfUnknownLease(reply);
    if (!isRenewal && !isRelease) return done(null, payload);
    // The upstream's answer takes the place of this one, which is never done.
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    // A lease that has ended here is released in vain: that is no failure, whether the upstream answers or not.
    upstream.forward(raw, reply.raw, originalUrl, { body: bytes, ...(isRelease && { statusWhenAway: 204 }) });
  });
  app.server.on('checkContinue', (request, response) => {
    // Else it is for the upstream to say.
    if (isOwn(request.url)) response.writeContinue();
    app.server.emit('request', request, response);
  });
  app.addHook('preClose', () => upstream.close());
}

/** Outside the API a browser asks its user for the auth string. In the API that would get in the way of clients. */
function refuse(reply: FastifyReply, url: string): FastifyReply {
  if (!pathOf(targetOf(url)).startsWith('/api/')) reply.header('www-authenticate', 'Basic realm="Slotkeeper"');
  return reply.code(401).send(UNAUTHORIZED);
}

function isOwn(url: string | undefined): boolean {
  return isOwnPath(pathOf(targetOf(url)));
}
