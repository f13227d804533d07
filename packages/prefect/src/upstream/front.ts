/** How the app in front and the server behind it share what is asked. */
import type { FastifyInstance } from 'fastify';
import { isOwnPath, isRenewalPath, pathOf, targetOf } from './own-paths.ts';
import type { Upstream } from './upstream.ts';

/** What the app does not answer itself is passed on, before any other hook sees it: to be called before all others. */
export function standInFront(app: FastifyInstance, upstream: Upstream): void {
  app.addHook('onRequest', async ({ raw, originalUrl }, reply) => {
    if (isOwn(originalUrl)) return;
    reply.hijack();
    upstream.forward(raw, reply.raw, originalUrl);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const { raw, originalUrl, body } = request;
    if (reply.statusCode !== 410 || !isRenewalPath(pathOf(targetOf(originalUrl)))) return done(null, payload);
    // The upstream's answer takes the place of this one, which is never done.
    upstream.forward(raw, reply.raw, originalUrl, Buffer.isBuffer(body) ? body : Buffer.alloc(0));
  });
  app.server.on('checkContinue', (request, response) => {
    // Else it is for the upstream to say.
    if (isOwn(request.url)) response.writeContinue();
    app.server.emit('request', request, response);
  });
  app.addHook('preClose', () => upstream.close());
}

function isOwn(url: string | undefined): boolean {
  return isOwnPath(pathOf(targetOf(url)));
}
