import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { answerOf, ask, listening, RawClient, start, startBehind, startFront } from './scene.ts';

/** What the server behind has been asked, header and body. */
async function seenBy(ask: (front: Awaited<ReturnType<typeof start>>) => Promise<unknown>) {
  const seen: { request: IncomingMessage; body: Buffer }[] = [];
  const front = await start(async (request, response) => {
    seen.push({ request, body: await buffer(request) });
    response.end();
  });
  await ask(front);
  expect(seen).toHaveLength(1);
  return { ...seen[0]!, front };
}

/** Names and values of a header as pairs, of the names given. */
function pairs({ rawHeaders }: IncomingMessage, ...names: string[]): string[][] {
  return rawHeaders
    .flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1]!]] : []))
    .filter(([name]) => names.length === 0 || names.includes(name!.toLowerCase()));
}

describe('a request', () => {
  test('arrives with its method, path, query, body and header as they were', async () => {
    const headers = ['X-Twice', 'a', 'x-twice', 'b', 'Cookie', 'k=v', 'Authorization', 'Basic eDp5'];
    const path = '/api/flows/%7Bid%7D/a%2Fb?x=%20&y=/api//z&x=2';
    const { request, body } = await seenBy((front) => ask(front, path, { method: 'PATCH', headers, body: 'größer' }));
    expect(request.method).toBe('PATCH');
    expect(request.url).toBe(path);
    expect(body.toString()).toBe('größer');
    expect(pairs(request, 'x-twice', 'cookie', 'authorization', 'content-length')).toEqual([
      ['X-Twice', 'a'],
      ['x-twice', 'b'],
      ['Cookie', 'k=v'],
      ['Authorization', 'Basic eDp5'],
      ['Content-Length', '8'],
    ]);
  });

  test('tells the host that was asked for, who asked, and how', async () => {
    const { request } = await seenBy((front) => ask(front, '/', { headers: ['Host', 'slots.example'] }));
    expect(request.headers).toMatchObject({
      host: 'slots.example',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'slots.example',
      'x-forwarded-proto': 'http',
      via: expect.stringMatching(/^1\.1 slotkeeper-/),
    });
  });

  test('keeps what a proxy before this one has told', async () => {
    const told = ['X-Forwarded-For', '192.0.2.7', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'prefect.example'];
    const { request } = await seenBy((front) => ask(front, '/', { headers: told }));
    expect(pairs(request, 'x-forwarded-for')).toEqual([['X-Forwarded-For', '192.0.2.7, 127.0.0.1']]);
    expect(pairs(request, 'x-forwarded-proto')).toEqual([['X-Forwarded-Proto', 'https']]);
    expect(pairs(request, 'x-forwarded-host')).toEqual([['X-Forwarded-Host', 'prefect.example']]);
  });

  test('leaves behind what was told of the connection to this server', async () => {
    const headers = ['Connection', 'keep-alive, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'TE', 'trailers'];
    const { request } = await seenBy((front) => ask(front, '/', { headers: [...headers, 'Proxy-Authorization', 'x'] }));
    expect(pairs(request, 'x-hop', 'keep-alive', 'te', 'proxy-authorization')).toEqual([]);
    expect(request.headers.connection).toBe('close');
  });

  test.each(['GET', 'DELETE', 'OPTIONS', 'POST'])('%s without a body has none there', async (method) => {
    const { request, body } = await seenBy(async (front) => {
      const client = new RawClient(front);
      client.send(`${method} / HTTP/1.1`, 'Host: x', '');
      await client.received('HTTP/1.1 200');
    });
    expect(body).toHaveLength(0);
    expect(request.headers['transfer-encoding']).toBeUndefined();
  });

  test.each(['GET', 'DELETE', 'PUT'])('%s with a body in chunks has it there', async (method) => {
    const { request, body } = await seenBy(async (front) => {
      const client = new RawClient(front);
      client.send(`${method} / HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked', '', '3', 'abc', '0', '');
      await client.received('HTTP/1.1 200');
    });
    expect(request.method).toBe(method);
    expect(body.toString()).toBe('abc');
  });

  test('that names the whole address is for its path', async () => {
    const { request } = await seenBy(async (front) => {
      const client = new RawClient(front);
      client.send('GET http://slots.example/api/hello?x=1 HTTP/1.1', 'Host: slots.example', '');
      await client.received('HTTP/1.1 200');
    });
    expect(request.url).toBe('/api/hello?x=1');
  });

  test('goes below the path of an upstream that has one', async () => {
    const { server, url } = await startBehind((request, response) => response.end(request.url));
    const front = await startFront(`${url}/prefect/api/`);
    expect((await ask(front, '/api/flows/?x=1')).body.toString()).toBe('/prefect/api/flows/?x=1');
    expect((await ask(front, '/?x=1')).body.toString()).toBe('/prefect/?x=1');
    expect(server.listening).toBe(true);
  });

  test('for limits stays here, also with escapes in its path', async () => {
    const front = await start((_request, response) => response.writeHead(404).end());
    for (const path of ['/api/concurrency_limits/filter', '/api/%63oncurrency_limits/filter', '/healthz']) {
      const method = path === '/healthz' ? 'GET' : 'POST';
      const { status, message } = await ask(front, path, { method });
      // The front's own 404 has a body, the other one has none.
      expect([status, message.headers['content-length'] !== '0']).toEqual([path === '/healthz' ? 404 : 200, true]);
    }
    expect((await ask(front, '/api/concurrency_limitsx')).body).toHaveLength(0);
  });
});

describe('an answer', () => {
  test('comes with its status, reason and header as they were, and nothing more', async () => {
    const front = await start((_request, response) => {
      response.sendDate = false;
      response.writeHead(299, 'Quite Fine', [
        'Set-Cookie',
        'a=1',
        'X-Odd',
        'é',
        'set-cookie',
        'b=2',
        'Content-Length',
        '2',
      ]);
      response.end(Buffer.from('ok'));
    });
    const { status, statusMessage, message, body } = await ask(front, '/');
    expect([status, statusMessage, body.toString()]).toEqual([299, 'Quite Fine', 'ok']);
    expect(pairs(message)).toEqual([
      ['Set-Cookie', 'a=1'],
      ['X-Odd', 'é'],
      ['set-cookie', 'b=2'],
      ['Content-Length', '2'],
      ['Connection', 'close'],
    ]);
  });

  test('that is compressed is the same to the byte', async () => {
    const packed = gzipSync(randomBytes(100_000).toString('hex'));
    const front = await start((request, response) => {
      expect(request.headers['accept-encoding']).toBe('gzip');
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/html' }).end(packed);
    });
    const { body, message } = await ask(front, '/', { headers: ['Accept-Encoding', 'gzip'] });
    expect(message.headers['content-encoding']).toBe('gzip');
    expect(body.equals(packed)).toBe(true);
    expect(gunzipSync(body)).toHaveLength(200_000);
  });

  test.each([204, 304, 404, 500, 503])('%s passes', async (code) => {
    const front = await start((_request, response) => response.writeHead(code, { ETag: '"1"' }).end());
    const { status, message, body } = await ask(front, '/');
    expect([status, message.headers.etag, body.length]).toEqual([code, '"1"', 0]);
  });

  test('to HEAD has the length of what it does not have', async () => {
    const front = await start((_request, response) => response.writeHead(200, { 'Content-Length': 1234 }).end());
    const { status, message, body } = await ask(front, '/', { method: 'HEAD' });
    expect([status, message.headers['content-length'], body.length]).toEqual([200, '1234', 0]);
  });

  test('that comes bit by bit is passed on bit by bit', async () => {
    let response!: ServerResponse;
    const front = await start((_request, answering) => {
      response = answering;
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    });
    const asked = request({ port: front.port, path: '/api/stream', agent: false }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      response.write(text);
      expect(String((await once(answer, 'data'))[0])).toBe(text);
    }
    response.end();
    await once(answer, 'end');
  });

  test('of an old server, which ends with the connection, is complete', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\nX: 1\r\n\r\nold'));
    });
    const front = await startFront(await listening(server));
    const { body, message } = await ask(front, '/');
    expect([body.toString(), message.headers.x]).toEqual(['old', '1']);
  });

  test('keeps the connection of its client for the next request', async () => {
    const front = await start((request, response) => response.end(`<${request.url}>`));
    const client = new RawClient(front);
    client.send('GET /1 HTTP/1.1', 'Host: x', '');
    await client.received('</1>');
    client.send('POST /2 HTTP/1.1', 'Host: x', 'Content-Length: 2', '', 'hi');
    client.socket.write('');
    expect(await client.received('</2>')).toContain('</2>');
  });
});

describe('redirects', () => {
  test.each([
    [
      'to the host that was asked for',
      (front: string) => `${front}/api/flows/`,
      (front: string) => `${front}/api/flows/`,
    ],
    ['to the upstream itself', (_: string, behind: string) => `${behind}/api/flows/?x=1#y`, () => '/api/flows/?x=1#y'],
    ['to a path', () => '/v2/', () => '/v2/'],
    ['to a path beside', () => '../x', () => '../x'],
    ['elsewhere', () => 'https://sso.example/login?to=%2F', () => 'https://sso.example/login?to=%2F'],
  ])('%s lead where they should', async (_title, made, expected) => {
    let location = '';
    const front = await start((_request, response) => response.writeHead(307, { Location: location }).end());
    location = made(front.url, front.behind);
    expect((await ask(front, '/api/flows')).message.headers.location).toBe(expected(front.url));
  });

  test('of an upstream below a path lose it', async () => {
    let location = '';
    const { url } = await startBehind((_request, response) => response.writeHead(307, { Location: location }).end());
    const front = await startFront(`${url}/prefect`);
    for (const [made, expected] of [
      ['/prefect/api/x', '/api/x'],
      [`${url}/prefect`, '/'],
      [`${front.url}/prefect/api/x`, '/api/x'],
      [`${url}/prefect//elsewhere.example/`, '/elsewhere.example/'],
      ['/prefectx', '/prefectx'],
      [`${url}/login`, `${url}/login`],
    ] as const) {
      location = made;
      expect((await ask(front, '/')).message.headers.location).toBe(expected);
    }
  });
});

describe('large bodies', () => {
  const CHUNK = randomBytes(65_536);
  const CHUNKS = 1_024;
  const DIGEST = hash('sha256', Buffer.concat(Array.from({ length: CHUNKS }, () => CHUNK)));

  /** Writes as much as is taken at once; resolves when all is, or nothing has been for a while. */
  async function writeUntilStuck(to: NodeJS.WritableStream, from: number): Promise<number> {
    for (let chunks = from; ; chunks += 1) {
      if (chunks === CHUNKS) return chunks;
      if (to.write(CHUNK)) continue;
      const isStuck = await Promise.race([once(to, 'drain').then(() => false), delay(300, true)]);
      if (isStuck) return chunks + 1;
    }
  }

  async function writeTheRest(to: NodeJS.WritableStream, from: number): Promise<void> {
    for (let chunks = from; chunks < CHUNKS; chunks += 1) if (!to.write(CHUNK)) await once(to, 'drain');
    to.end();
  }

  test('go up no faster than they are read, and arrive whole', async () => {
    const { promise: reads, resolve: read } = Promise.withResolvers<void>();
    const front = await start(async (request, response) => {
      await reads;
      response.end(hash('sha256', await buffer(request)));
    });
    const asked = request({ port: front.port, method: 'POST', path: '/', agent: false });
    const taken = await writeUntilStuck(asked, 0);
    expect(taken).toBeLessThan(CHUNKS / 2);
    read();
    await once(asked, 'drain');
    await writeTheRest(asked, taken);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect((await answerOf(answer)).body.toString()).toBe(DIGEST);
  });

  test('come down no faster than they are read, and arrive whole', async () => {
    const { promise: wrote, resolve: written } = Promise.withResolvers<number>();
    const front = await start(async (_request, response) => {
      const taken = await writeUntilStuck(response, 0);
      written(taken);
      if (taken < CHUNKS) await once(response, 'drain');
      await writeTheRest(response, taken);
    });
    const asked = request({ port: front.port, path: '/', agent: false }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect(await wrote).toBeLessThan(CHUNKS / 2);
    expect(hash('sha256', await buffer(answer))).toBe(DIGEST);
  });
});

describe('a client that waits for 100 Continue', () => {
  const HEAD = ['POST /api/big HTTP/1.1', 'Host: x', 'Content-Length: 3', 'Expect: 100-continue', ''];

  test('is told so by the upstream', async () => {
    const front = await start();
    front.server.on('checkContinue', async (request: IncomingMessage, response: ServerResponse) => {
      response.writeContinue();
      response.end(await buffer(request));
    });
    const client = new RawClient(front);
    client.send(...HEAD);
    await client.received('HTTP/1.1 100 Continue');
    client.socket.write('abc');
    expect(await client.received('abc')).toContain('HTTP/1.1 200 OK');
  });

  test('is told by the upstream not to, and the connection ends', async () => {
    const front = await start();
    front.server.on('checkContinue', (_request, response: ServerResponse) => response.writeHead(413).end('too big'));
    const client = new RawClient(front);
    client.send(...HEAD);
    const received = await client.ended();
    expect(received).toMatch(/^HTTP\/1\.1 413 /);
    expect(received).toContain('too big');
  });

  test('for limits is told so here', async () => {
    const front = await start();
    const client = new RawClient(front);
    client.send(
      'POST /api/concurrency_limits/filter HTTP/1.1',
      'Host: x',
      'Content-Length: 2',
      'Expect: 100-continue',
      '',
    );
    await client.received('HTTP/1.1 100 Continue');
    client.socket.write('{}');
    await client.received('HTTP/1.1 200 OK');
  });

  test('with events is told so here, where they are read', async () => {
    const front = await start(async (request, response) => response.end(await buffer(request)));
    const client = new RawClient(front);
    client.send('POST /api/events HTTP/1.1', 'Host: x', 'Content-Length: 2', 'Expect: 100-continue', '');
    await client.received('HTTP/1.1 100 Continue');
    client.socket.write('[]');
    await client.received(/HTTP\/1\.1 200 OK.*\[\]/s);
  });
});

describe('a client that goes away', () => {
  test('while it waits takes its request along', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<ServerResponse>();
    const front = await start((_request, response) => resolve(response));
    const client = new RawClient(front);
    client.send('GET /api/slow HTTP/1.1', 'Host: x', '');
    const response = await asked;
    client.socket.destroy();
    await once(response, 'close');
    expect(response.writableFinished).toBe(false);
  });

  test('in the middle of its body takes its request along', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<IncomingMessage>();
    const front = await start((request) => resolve(request));
    const client = new RawClient(front);
    client.send('POST /api/big HTTP/1.1', 'Host: x', 'Content-Length: 100', '', 'some');
    const request = await asked;
    client.socket.destroy();
    await expect(buffer(request)).rejects.toThrow('aborted');
  });

  test('in the middle of its events leaves nothing there', async () => {
    let requests = 0;
    const front = await start((_request, response) => {
      requests += 1;
      response.end(String(requests));
    });
    const client = new RawClient(front);
    client.send('POST /api/events HTTP/1.1', 'Host: x', 'Content-Length: 100', '', '[');
    client.socket.destroySoon();
    await client.ended();
    expect((await ask(front, '/')).body.toString()).toBe('1');
  });

  test('in the middle of an answer ends it', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<ServerResponse>();
    const front = await start((_request, response) => {
      response.write('first');
      resolve(response);
    });
    const client = new RawClient(front);
    client.send('GET /api/stream HTTP/1.1', 'Host: x', '');
    const response = await asked;
    await client.received('first');
    client.socket.destroy();
    await once(response, 'close');
    expect(response.writableFinished).toBe(false);
  });
});

describe('an upstream', () => {
  test('that ends in the middle of an answer does not seem to have completed it', async () => {
    for (const headers of [{ 'Content-Length': 100 }, {}]) {
      const front = await start((_request, response) => {
        response.writeHead(200, headers).write('half', () => response.destroy());
      });
      const asked = request({ port: front.port, path: '/', agent: false }).end();
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      await expect(buffer(answer)).rejects.toThrow('aborted');
    }
  });

  test('that answers before it has read all is heard', async () => {
    const front = await start((_request, response) => response.writeHead(413, { Connection: 'close' }).end('too big'));
    const asked = request({ port: front.port, method: 'POST', path: '/', agent: false });
    asked.on('error', () => {});
    asked.write('some');
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const { status, body } = await answerOf(answer);
    expect([status, body.toString()]).toEqual([413, 'too big']);
    asked.destroy();
  });

  test('that does not want a long body is heard, and leaves the connection of its client of use', async () => {
    const front = await start((_request, response) => response.end());
    front.server.on('checkContinue', (_request, response: ServerResponse) => response.writeHead(413).end());
    const client = new RawClient(front);
    client.send('POST / HTTP/1.1', 'Host: x', 'Content-Length: 10000000', '');
    client.socket.write(Buffer.alloc(10_000_000));
    expect(await client.received('HTTP/1.1 413')).not.toContain('HTTP/1.1 100');
    client.send('GET /next HTTP/1.1', 'Host: x', '');
    await client.received('HTTP/1.1 200');
  });

  test('that does not say whether it wants a long body gets it', async () => {
    const server = createServer((socket) => {
      let length = 0;
      socket.on('data', (bytes) => {
        length += bytes.length;
        if (length > 100_000) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const front = await startFront(await listening(server));
    expect((await ask(front, '/', { method: 'POST', body: Buffer.alloc(100_000) })).status).toBe(200);
  });

  test('that is away is 502 with its address, while limits go on', async () => {
    const { server, url } = await startBehind((_request, response) => response.end());
    const front = await startFront(`${url}/api`);
    server.close();
    await once(server, 'close');
    for (let times = 1; times <= 2; times += 1) {
      const answer = await ask(front, '/api/flows/', { method: 'POST', body: '{}' });
      expect(answer.status).toBe(502);
      expect(answer.json()).toEqual({ detail: expect.stringContaining(`${url} did not answer (ECONNREFUSED)`) });
      expect((await ask(front, '/api/concurrency_limits/filter', { method: 'POST' })).status).toBe(200);
    }
    server.listen(Number(new URL(url).port), '127.0.0.1');
    await once(server, 'listening');
    expect((await ask(front, '/api/flows/')).status).toBe(200);
    // Once each, however many requests.
    expect(front.log).toEqual([expect.stringMatching(/^warn .*ECONNREFUSED/), expect.stringMatching(/^info .*again/)]);
  });

  test('whose name nobody knows is 502, too', async () => {
    const front = await startFront('http://prefect.invalid:4200');
    const { status, json } = await ask(front, '/');
    expect([status, json()]).toEqual([502, { detail: expect.stringContaining('prefect.invalid') }]);
  });

  test.each([
    ['hangs up', ''],
    ['does not speak HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['has a status that there is none', 'HTTP/1.1 099 Odd\r\n\r\n'],
    ['has a reason that cannot be passed on', 'HTTP/1.1 200 \x01\r\nContent-Length: 0\r\n\r\n'],
    ['changes the protocol unasked', 'HTTP/1.1 101 Odd\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
  ])('that %s is 502', async (_title, bytes) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes, 'latin1'));
    });
    const front = await startFront(await listening(server));
    expect((await ask(front, '/')).status).toBe(502);
    expect((await ask(front, '/api/concurrency_limits/filter', { method: 'POST' })).status).toBe(200);
  });

  test('that is this server itself is 508', async () => {
    const { server, url } = await startBehind();
    const front = await startFront(url);
    // The address behind leads to the front.
    server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
      const again = request({ port: front.port, path: incoming.url, headers: [...incoming.rawHeaders], agent: false });
      again.on('response', (answer) => answer.pipe(response.writeHead(answer.statusCode!))).end();
    });
    const { status, json } = await ask(front, '/');
    expect([status, json()]).toEqual([508, { detail: expect.stringContaining('--upstream') }]);
  });

  test('answers what is under way when the front ends', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<ServerResponse>();
    const front = await start((_request, response) => resolve(response));
    const answering = ask(front, '/');
    const response = await asked;
    const closed = front.close();
    response.end('in time');
    expect((await answering).body.toString()).toBe('in time');
    await closed;
  });
});

describe('the settings of the web interface', () => {
  test('name the API here, for any address that the upstream gives', async () => {
    const front = await start((request, response) => {
      expect(request.headers['accept-encoding']).toBeUndefined();
      response.writeHead(200, { 'Content-Type': 'application/json', ETag: '"1"' });
      response.end('{"api_url":"http://0.0.0.0:4200/api","auth":null,"flags":[]}');
    });
    const { message, json } = await ask(front, '/ui-settings', { headers: ['Accept-Encoding', 'gzip'] });
    expect(json()).toEqual({ api_url: '/api', auth: null, flags: [] });
    expect([message.headers['content-type'], message.headers.etag]).toEqual(['application/json', undefined]);
  });

  test.each(['{"detail":"Not Found"}', 'null', '<html>', ''])('that are none, %s, come as they are', async (text) => {
    const front = await start((_request, response) => response.writeHead(404).end(text));
    const { status, body } = await ask(front, '/base/ui-settings');
    expect([status, body.toString()]).toEqual([404, text]);
  });
});

test('the renewal of a lease that is not known here is for the upstream to answer', async () => {
  const front = await start(async (request, response) => {
    const body = await buffer(request);
    response.writeHead(204, { 'X-Asked': `${request.url} ${body}` }).end();
  });
  const path = '/api/v2/concurrency_limits/leases/0c0ffee0-0000-4000-8000-000000000000/renew';
  const { status, message } = await ask(front, path, { method: 'POST', body: '{"lease_duration": 300}' });
  expect([status, message.headers['x-asked']]).toEqual([204, `${path} {"lease_duration": 300}`]);
});

describe('events that are posted', () => {
  async function posted(body: string | Buffer, headers: string[] = [], path = '/api/events'): Promise<Buffer> {
    const front = await start(async (request, response) => {
      const body = await buffer(request);
      expect(request.headers['content-length']).toBe(String(body.length));
      response.end(body);
    });
    return (await ask(front, path, { method: 'POST', headers, body })).body;
  }

  test('are passed on without those that this server tells', async () => {
    const event = (name: string) => `{"event": "${name}", "n": 1.0, "big": 12345678901234567890, "s": "ü\\ud800"}`;
    const body = await posted(`[${[event('a'), event('ours.x'), event('b')].join(', ')}]`);
    expect(body.toString()).toBe(`[${[event('a'), event('b')].join(',').replaceAll(/([:,]) /g, '$1')}]`);
    expect((await posted(`[${event('ours.x')}]`, [], '/api/events/')).toString()).toBe('[]');
  });

  test.each([
    ['without any of ours', '[ {"event": "a"} ]'],
    ['that are no list', '{"event": "ours.x"}'],
    ['that are no events', '[null, 1, "ours.x", {"event": 7}]'],
    ['that are no JSON', '[{"event": "ours.x"}'],
    ['that are nothing', ''],
    ['that are too long to be looked at', `[{"event": "ours.x"}${' '.repeat(5_000_000)}]`],
  ])('%s are passed on as they are', async (_title, body) => {
    expect((await posted(body)).toString()).toBe(body);
  });

  test('that are compressed are passed on as they are', async () => {
    const packed = gzipSync('[{"event": "ours.x"}]');
    expect((await posted(packed, ['Content-Encoding', 'gzip'])).equals(packed)).toBe(true);
  });
});
