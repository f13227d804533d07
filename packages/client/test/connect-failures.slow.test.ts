/** What a first connect says where it comes to nothing, over real sockets. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import { ask } from '@slotkeeper/protocol/proxy';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connect, type Warning } from '../src/index.ts';

const opened: Server[] = [];
beforeEach(() => {
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'])
    for (const each of [name, name.toLowerCase()]) vi.stubEnv(each, '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const server of opened.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<number> {
  opened.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Answers as what no client wants: each request with 404. */
const another = (): Promise<number> => listen(createServer((_, response) => response.writeHead(404).end()));

interface TestProxy {
  readonly url: string;
  /** What it was asked to connect to. */
  readonly targets: string[];
}

/** A proxy that connects to this machine, and ignores which host it is asked for. `status`: its answer. */
async function startProxy(status = '200 OK'): Promise<TestProxy> {
  const targets: string[] = [];
  const server = createServer();
  server.on('connect', ({ url = '' }, socket) => {
    targets.push(url);
    if (!status.startsWith('200')) {
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const onward = connectSocket(Number(url.split(':')[1]), '127.0.0.1', () => {
      socket.write(`HTTP/1.1 ${status}\r\n\r\n`);
      onward.pipe(socket).pipe(onward);
    });
    for (const each of [socket, onward]) each.on('error', () => onward.destroy());
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, targets };
}

async function failure(url: string, seconds = 10): Promise<Error> {
  return connect(url, { connectTimeoutSeconds: seconds }).then(
    () => Promise.reject(new Error('it connected')),
    (error: Error) => error,
  );
}

test.each(['', '/api'])(
  'where nobody listens on this machine, it says so after a second and goes on asking: %j',
  async (path) => {
    const url = `http://localhost:${await freePort()}${path}`;
    const warned = Promise.withResolvers<Warning>();
    const unanswered = connect(url, { connectTimeoutSeconds: 3, onWarning: warned.resolve });
    const early = await Promise.race([warned.promise, unanswered.catch(() => 'gave up first')]);
    expect(early).toMatchObject({
      code: 'NOT_CONNECTED',
      message: expect.stringMatching(/^Nobody listens at .*ECONNREFUSED.*\. Asking for 2 s more: start a server there/),
      details: { address: url, leftSeconds: 2 },
    });
    await expect(unanswered).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  },
);

test.each(['', '/api'])(
  'https:// to a server without TLS is refused at once, and says what to write: %j',
  async (path) => {
    const url = `https://127.0.0.1:${await another()}${path}`;
    const { message } = await failure(url);
    expect(message).toBe(
      `The Slotkeeper server at ${url} cannot be reached: what answers there speaks no TLS. Begin its address with http:// instead of https://.`,
    );
  },
);

test('a server that answers only to its own names says by which it may be asked', async () => {
  const port = await listen(createServer());
  opened[0]?.on('upgrade', (_, socket) => socket.end('HTTP/1.1 421 Misdirected Request\r\n\r\n'));
  expect((await failure(`http://127.0.0.1:${port}`)).message).toContain('--allow-host');
});

test.each([
  ['HTTP_PROXY', ''],
  ['http_proxy', ''],
  ['HTTP_PROXY', '/api'],
])('a server elsewhere is asked through the proxy of %s: %j', async (name, path) => {
  const proxy = await startProxy();
  vi.stubEnv(name, proxy.url);
  const port = await another();
  const error = await failure(`http://slots.example:${port}${path}`);
  expect(new Set(proxy.targets)).toEqual(new Set([`slots.example:${port}`]));
  // What answered there, through the tunnel.
  expect(error.message).toMatch(path === '' ? /HTTP status 404, through the proxy http:/ : /is a Prefect API/);
});

test('over TLS it is the proxy of HTTPS_PROXY', async () => {
  const proxy = await startProxy();
  vi.stubEnv('HTTPS_PROXY', proxy.url);
  const port = await another();
  expect((await failure(`https://slots.example:${port}`)).message).toContain('speaks no TLS');
  expect(proxy.targets).toEqual([`slots.example:${port}`]);
});

test.each([
  ['slots.example', 'slots.example', ''],
  ['this machine by its address', '127.0.0.1', 'none'],
  ['this machine by its name', 'localhost', 'none'],
])('no proxy is asked on the way to %s', async (_, host, noProxy) => {
  const proxy = await startProxy();
  vi.stubEnv('HTTP_PROXY', proxy.url);
  vi.stubEnv('NO_PROXY', noProxy || host);
  vi.stubEnv('NODE_USE_ENV_PROXY', '1');
  await failure(`http://${host}:${await freePort()}`, 0.1);
  await failure(`http://${host}:${await freePort()}/api`, 0.1);
  expect(proxy.targets).toEqual([]);
});

test('a proxy that asks for credentials is named, and its own are not shown', async () => {
  const proxy = await startProxy('407 Proxy Authentication Required');
  vi.stubEnv('HTTP_PROXY', proxy.url.replace('//', '//me:secret@'));
  const { message } = await failure('http://slots.example:4230');
  expect(message).toContain(`the proxy ${proxy.url} asks for credentials`);
  expect(message).not.toContain('secret');
});

test('through a proxy a POST is redirected as one, and keeps its credentials to itself elsewhere', async () => {
  const proxy = await startProxy();
  vi.stubEnv('HTTP_PROXY', proxy.url);
  const seen: unknown[] = [];
  const echo = createServer(async (request, response) => {
    seen.push([
      request.method,
      request.headers.authorization,
      String(await request.reduce((all, each) => all + each, '')),
    ]);
    response.end('done');
  });
  const there = `http://there.example:${await listen(echo)}`;
  const here = createServer((request, response) =>
    response.writeHead(307, { Location: `${there}${request.url}` }).end(),
  );
  const url = `http://here.example:${await listen(here)}/x`;
  const question = {
    method: 'POST',
    headers: { Authorization: 'Bearer k' },
    body: 'slots',
    signal: AbortSignal.timeout(60_000),
  } as const;
  expect((await ask(url, { ...question, redirect: 'manual' })).status).toBe(307);
  expect(await (await ask(url, { ...question, redirect: 'follow' })).text()).toBe('done');
  expect(seen).toEqual([['POST', undefined, 'slots']]);
});
