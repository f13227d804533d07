import { fileURLToPath } from 'node:url';
import type { Contender } from './contender.ts';
import { httpCallers } from './http-callers.ts';
import { ServerProcess } from './server-process.ts';

/** The bound over HTTP: a pair is two POSTs of JSON to a bare Fastify, and no one decides or keeps anything. */
export const fastifyPost: Contender = {
  name: 'fastify-post',
  durable: 'no',
  server: {
    name: 'fastify-post',
    missing: () => undefined,
    serve: () =>
      ServerProcess.start(
        process.execPath,
        [fileURLToPath(new URL('./fastify-server.ts', import.meta.url))],
        /ready on (\S+)/,
      ),
  },
  async separate(url, count) {
    const pairs = Array.from({ length: count }, (_, i) => {
      const post = { path: '/slots', body: { names: [`bench-${i}`], slots: 1 } };
      return { acquire: () => post, release: () => post };
    });
    return httpCallers(url, pairs);
  },
};
