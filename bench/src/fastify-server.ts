/** Reads a body of JSON and answers with it: what a POST costs on this machine, and nothing else. */
import Fastify from 'fastify';

const app = Fastify();
app.post('/slots', (request) => request.body);
console.log(`ready on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
