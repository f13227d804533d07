/** In front of a Prefect that is not 3.x limits would hold nobody: the start looks, and says so. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { serve } from '../src/serve.ts';

async function behind(listener: RequestListener, port = 0): Promise<string> {
  const server = createServer(listener).listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(origin: string, upstreamCredentials = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const lines: string[] = [];
  const isWarned = Promise.withResolvers<void>();
  const log = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      if (String(chunk).includes('is version')) isWarned.resolve();
      done();
    },
  });
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    data: join(folder, 'data'),
    apiKey: null,
    authString: null,
    upstream: { origin, prefix: '' },
    upstreamCredentials,
    v1LeaseSeconds: null,
    prefectVersion: null,
    log: pino({ level: 'warn' }, log),
  });
  onTestFinished(() => server.close());
  return { url: server.url, lines, warned: isWarned.promise };
}

const version =
  (text: string): RequestListener =>
  ({ url }, response) =>
    void response.end(url === '/api/admin/version' ? JSON.stringify(text) : 'else');

test.each(['2.20.4', '4.0.0', '2.3.'])('Prefect %s is refused, with the reason', async (text) => {
  const origin = await behind(version(text));
  await expect(start(origin)).rejects.toThrow(`The Prefect server at ${origin} is version ${text}, and`);
});

test('Prefect 3 is not, and is asked with what it asks for', async () => {
  const origin = await behind((request, response) => {
    if (request.headers.authorization === 'Bearer theirs') version('3.2.0')(request, response);
    else response.writeHead(401).end();
  });
  expect((await start(origin, { apiKey: 'theirs' })).lines).toEqual([]);
  const { lines } = await start(origin);
  expect(lines).toEqual([expect.stringContaining('--upstream-auth-string')]);
});

test('one whose API is not at /api is refused, with what to do', async () => {
  const origin = await behind((_request, response) => void response.writeHead(404).end('{"detail":"Not Found"}'));
  await expect(start(origin)).rejects.toThrow(/no Prefect API at .*\/api.*PREFECT_SERVER_API_BASE_PATH/);
});

test('what its version does, is done here', async () => {
  for (const [behindUs, status] of [
    ['3.8.8', 200],
    ['3.9.0', 422],
  ] as const) {
    const { url } = await start(await behind(version(behindUs)));
    const headers = { 'user-agent': 'prefect/3.8.8 (API 0.8.4)', 'content-type': 'application/json' };
    const body = JSON.stringify({ names: [], slots: 1 });
    const answer = await fetch(`${url}/api/v2/concurrency_limits/increment`, { method: 'POST', headers, body });
    expect([behindUs, answer.status]).toEqual([behindUs, status]);
  }
});

test('one that answers with no version is warned of', async () => {
  const { lines } = await start(await behind((_request, response) => void response.end('<html>')));
  expect(lines).toEqual([expect.stringMatching(/cannot be told.*PREFECT_SERVER_API_BASE_PATH/)]);
});

test('one that does not answer at the start is looked at when it does', async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const { url, lines, warned } = await start(`http://127.0.0.1:${port}`);
  expect(lines).toEqual([expect.stringContaining('does not answer (ECONNREFUSED)')]);
  await behind(version('2.20.4'), port);
  expect(await (await fetch(`${url}/api/flows`)).text()).toBe('else');
  await warned;
  expect(lines.at(-1)).toContain('is version 2.20.4');
});
