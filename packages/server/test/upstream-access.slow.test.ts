/** A key of this server also closes the way to the Prefect server behind it, and never goes there. Over real sockets. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { newKey } from '../src/keys/key-file.ts';
import { type ServeOptions, serve } from '../src/serve.ts';

const KEY = 'our-key';
const AUTH = 'our:auth';
const bearer = (key: string): string => `Bearer ${key}`;
const basic = (text: string): string => `Basic ${btoa(text)}`;

/** All that has reached the server behind: request lines, headers, bodies, messages of WebSockets. */
class Behind {
  readonly seen: string[] = [];
  readonly requests: IncomingMessage[] = [];
  /** Of the look at its version. */
  readonly seenOfVersion: string[] = [];
  readonly #server = createServer(async (request, response) => {
    if (request.url === '/api/admin/version') {
      this.seenOfVersion.push(...request.rawHeaders);
      return void response.end('"3.8.8"');
    }
    this.#record(request);
    this.seen.push((await buffer(request)).toString());
    response.end('from behind');
  });
  readonly #sockets = new WebSocketServer({ server: this.#server });

  async start(): Promise<{ origin: string; prefix: string }> {
    this.#sockets.on('connection', (socket, request) => {
      this.#record(request);
      socket.on('message', (data) => {
        this.seen.push(data.toString());
        socket.send(`from behind: ${data}`);
      });
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    onTestFinished(() => {
      for (const socket of this.#sockets.clients) socket.terminate();
      this.#server.closeAllConnections();
      this.#server.close();
    });
    return { origin: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`, prefix: '' };
  }

  /** What came over a path of the tests', not from the server's own events. */
  get paths(): (string | undefined)[] {
    return this.requests.map(({ url }) => url);
  }

  #record(request: IncomingMessage): void {
    this.requests.push(request);
    this.seen.push(`${request.method} ${request.url}`, ...request.rawHeaders);
  }
}

async function start(more: Partial<ServeOptions> = {}): Promise<{ behind: Behind; url: URL }> {
  const behind = new Behind();
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    data: join(folder, 'data'),
    apiKey: KEY,
    authString: AUTH,
    upstream: await behind.start(),
    v1LeaseSeconds: null,
    prefectVersion: null,
    log: pino({ level: 'silent' }),
    ...more,
  });
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { behind, url: new URL(server.url) };
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function ask({ hostname, port }: URL, path: string, { method = 'GET', headers = {}, body }: Asked = {}) {
  const asked = request({ hostname, port, path, method, headers, agent: false }).end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, text: (await buffer(answer)).toString() };
}

/** How a WebSocket goes that says these messages: what came, and how it ended if it did. */
async function converse(url: URL, path: string, protocols: string[], headers: object, messages: readonly unknown[]) {
  const socket = new WebSocket(`ws://${url.host}${path}`, protocols, { headers: { ...headers } });
  onTestFinished(() => socket.terminate());
  const heard: string[] = [];
  const isOver = Promise.withResolvers<string>();
  socket.on('error', (error) => isOver.resolve(error.message));
  socket.on('close', (code, reason) => isOver.resolve(`${code} ${reason}`));
  socket.on('open', () => {
    for (const message of messages) socket.send(JSON.stringify(message));
  });
  socket.on('message', (data) => {
    heard.push(data.toString());
    if (heard.length === messages.length) isOver.resolve('answered');
  });
  return { over: await isOver.promise, heard };
}

const ATTACKS: readonly (readonly [string, Asked])[] = [
  ['/api/deployments/x/create_flow_run', { method: 'POST', body: '{}' }],
  ['/api/admin/database/clear', { method: 'POST', body: '{"confirm":true}' }],
  ['/api/flows/filter', { method: 'POST', body: '{}' }],
  ['/api/events', { method: 'POST', body: '[]' }],
  ['/', {}],
  ['/ui-settings', {}],
  ['/api/health', { method: 'POST' }],
  ['/api/health', { method: 'DELETE' }],
  ['/api/health/', {}],
  ['/api/%68ealth', {}],
  ['/api/health/../admin/database/clear', {}],
  ['/api/health%2f..%2fflows', {}],
  ['/api/health%3fx', {}],
  ['/api/health#/api/flows', {}],
  ['//api/health', {}],
  ['http://elsewhere.example/api/flows', {}],
  ['/api/concurrency_limitsx', {}],
  ['/api/unknown', { method: 'OPTIONS' }],
  ['/api/flows', { method: 'POST', headers: { expect: '100-continue' }, body: '{}' }],
];
const WRONG = ['', bearer('other'), bearer(''), `bearer ${KEY}`, basic(KEY), bearer(AUTH), basic('our:other'), KEY];

describe('without the key', () => {
  test('nothing of what is asked reaches the server behind, however it is asked', async () => {
    const { behind, url } = await start();
    for (const [path, asked] of ATTACKS) {
      const answers = WRONG.map(async (authorization) => {
        const headers = { ...asked.headers, ...(authorization && { authorization }) };
        const { status, text } = await ask(url, path, { ...asked, headers });
        return [path, authorization, status, text];
      });
      expect(await Promise.all(answers)).toEqual(
        WRONG.map((authorization) => [path, authorization, 401, '{"exception_message":"Unauthorized"}']),
      );
    }
    expect(behind.seen).toEqual([]);
  });

  test('no WebSocket reaches it, and no message', async () => {
    const { behind, url } = await start();
    for (const path of ['/api/events/in', '/api/events/out', '/api/logs/out', '/api/health']) {
      const plain = WRONG.map((authorization) =>
        converse(url, path, [], authorization ? { authorization } : {}, [{ event: 'x' }]),
      );
      for (const ended of await Promise.all(plain)) {
        expect([path, ended]).toEqual([path, { over: 'Unexpected server response: 401', heard: [] }]);
      }
      for (const first of [{ type: 'auth', token: 'other' }, { type: 'auth' }, { event: 'x' }, 'x']) {
        const { over, heard } = await converse(url, path, ['prefect'], {}, [first, { event: 'x' }]);
        expect([path, heard, over]).toEqual([path, [], expect.stringMatching(/^1008 /)]);
      }
    }
    expect(behind.seen).toEqual([]);
  });

  test('one that sends without end before its token is cut off', async () => {
    const { behind, url } = await start();
    const socket = new WebSocket(`ws://${url.host}/api/events/in`, ['prefect']);
    await once(socket, 'open');
    for (let i = 0; i < 1_000; i++) socket.ping('x'.repeat(100));
    const [code] = await once(
      socket.on('error', () => {}),
      'close',
    );
    expect([code, behind.seen]).toEqual([1006, []]);
  });

  test('the probes answer', async () => {
    const { behind, url } = await start({ upstreamCredentials: { apiKey: 'theirs' } });
    for (const path of ['/api/health', '/api/ready?x=1']) {
      expect(await ask(url, path)).toMatchObject({ status: 200, text: 'from behind' });
    }
    expect((await ask(url, '/healthz')).status).toBe(200);
    expect(behind.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  test('a browser is asked for the auth string outside the API', async () => {
    const { url } = await start();
    expect((await ask(url, '/runs')).headers['www-authenticate']).toBe('Basic realm="Slotkeeper"');
    expect((await ask(url, '/api/runs')).headers['www-authenticate']).toBeUndefined();
  });
});

test('a page of another site gets nothing by the auth string that a browser remembers', async () => {
  const { behind, url } = await start();
  const headers = { origin: 'http://elsewhere.example', authorization: basic(AUTH) };
  expect((await ask(url, '/api/flows', { method: 'POST', headers })).status).toBe(403);
  const { over } = await converse(url, '/api/logs/out', [], headers, []);
  expect([over, behind.seen]).toEqual(['Unexpected server response: 403', []]);
});

describe.each([
  ['nothing', {}, undefined, null],
  ['a key', { apiKey: 'theirs' }, 'Bearer theirs', 'theirs'],
  ['an auth string', { authString: 'th:eirs' }, basic('th:eirs'), 'th:eirs'],
])('to a server behind that asks for %s', (_what, upstreamCredentials, authorization, token) => {
  test('what is asked with our key arrives, with what that server asks for in its place', async () => {
    const { behind, url } = await start({ upstreamCredentials });
    for (const shown of [bearer(KEY), basic(AUTH)]) {
      const headers = { authorization: shown, 'x-other': 'kept' };
      expect((await ask(url, '/api/flows', { method: 'POST', headers, body: 'whole' })).text).toBe('from behind');
      // Not found here, so the server behind is asked for the renewal.
      const renewal = '/api/v2/concurrency_limits/leases/0f8fad5b-d9cb-469f-a165-70867728950e/renew';
      await ask(url, renewal, { method: 'POST', headers, body: '{"lease_duration":60}' });
    }
    expect(behind.paths).toHaveLength(4);
    expect(behind.requests.map(({ headers }) => headers.authorization)).toEqual(Array(4).fill(authorization));
    expect(behind.requests.map(({ headers }) => headers['x-other'])).toEqual(Array(4).fill('kept'));
    expect(behind.seen).toContain('whole');
    expectNothingOfOurs(behind);
  });

  test('WebSockets arrive, by the header or by the first message, whose token is replaced', async () => {
    const { behind, url } = await start({ upstreamCredentials });
    for (const path of ['/api/events/in', '/api/logs/out']) {
      for (const shown of [KEY, AUTH]) {
        const messages = [{ type: 'auth', token: shown }, { event: 'one' }, { event: 'two' }];
        const heard = [{ type: 'auth', token }, { event: 'one' }, { event: 'two' }].map(
          (message) => `from behind: ${JSON.stringify(message)}`,
        );
        expect(await converse(url, path, ['prefect'], {}, messages)).toEqual({ over: 'answered', heard });
        const headers = { authorization: shown === KEY ? bearer(KEY) : basic(AUTH) };
        expect(await converse(url, path, ['prefect'], headers, messages)).toEqual({ over: 'answered', heard });
        const plain = await converse(url, path, [], headers, [{ event: 'one' }]);
        expect(plain).toEqual({ over: 'answered', heard: ['from behind: {"event":"one"}'] });
      }
    }
    expect(new Set(behind.requests.map(({ headers }) => headers.authorization))).toContain(authorization);
    expectNothingOfOurs(behind);
  });
});

test('what this server reports itself goes there with what that server asks for', async () => {
  const { behind, url } = await start({ upstreamCredentials: { apiKey: 'theirs' } });
  const headers = { authorization: bearer(KEY) };
  await ask(url, '/api/v2/concurrency_limits/', { method: 'POST', headers, body: '{"name":"db","limit":1}' });
  while (!behind.paths.includes('/api/events')) await ask(url, '/api/health');
  const events = behind.requests.find(({ url }) => url === '/api/events');
  expect(events?.headers.authorization).toBe('Bearer theirs');
  expectNothingOfOurs(behind);
});

describe('with --upstream-open', () => {
  test('all reach the server behind, each with its own; what shows our key is shown as what that server asks for', async () => {
    const { behind, url } = await start({ upstreamOpen: true, upstreamCredentials: { apiKey: 'theirs' } });
    for (const authorization of [undefined, bearer('own'), bearer(KEY)]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      expect((await ask(url, '/api/flows', { headers })).text).toBe('from behind');
    }
    const seen = behind.requests.map(({ headers }) => headers.authorization);
    expect(seen).toEqual([undefined, 'Bearer own', 'Bearer theirs']);
    for (const [given, token] of [
      ['own', 'own'],
      [KEY, 'theirs'],
    ]) {
      const { heard } = await converse(url, '/api/events/in', ['prefect'], {}, [{ type: 'auth', token: given }]);
      expect(heard).toEqual([`from behind: ${JSON.stringify({ type: 'auth', token })}`]);
    }
    expectNothingOfOurs(behind);
  });

  test('limits still ask for the key', async () => {
    const { url } = await start({ upstreamOpen: true });
    expect((await ask(url, '/api/v2/concurrency_limits/filter', { method: 'POST' })).status).toBe(401);
  });
});

describe('a named key leads there by its right', () => {
  const made = {
    see: newKey('see', 'read', ''),
    take: newKey('take', 'use', ''),
    rule: newKey('rule', 'admin', ''),
    ours: newKey('ours', 'admin', 'a:'),
  };
  const names = ['see', 'take', 'rule', 'ours'] as const;

  async function startWithKeys(more: Partial<ServeOptions> = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const apiKeysFile = join(folder, 'keys');
    await writeFile(apiKeysFile, names.map((name) => made[name].line).join('\n'));
    return start({ apiKey: null, authString: null, apiKeysFile, upstreamCredentials: { apiKey: 'theirs' }, ...more });
  }

  test('`use` for what it answers, `admin` for its administration, and none that is for some limits alone', async () => {
    const { behind, url } = await startWithKeys();
    const statuses = async (method: string, path: string) => {
      const answers = names.map((name) =>
        ask(url, path, { method, headers: { authorization: bearer(made[name].key) } }),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(await statuses('GET', '/api/flows')).toEqual([403, 200, 200, 403]);
    expect(await statuses('POST', '/api/flows/filter')).toEqual([403, 200, 200, 403]);
    expect(await statuses('GET', '/api/admin/version')).toEqual([403, 200, 200, 403]);
    expect(await statuses('POST', '/api/admin/database/clear')).toEqual([403, 403, 200, 403]);
    expect(await statuses('POST', '/api/%61dmin/database/clear')).toEqual([403, 403, 200, 403]);
    expect(await statuses('POST', '/api/flows/../admin/database/clear')).toEqual([403, 403, 200, 403]);
    expect(await statuses('DELETE', '/api//admin')).toEqual([403, 403, 200, 403]);
    // Questions for its version are kept apart.
    expect(behind.requests.map(({ headers }) => headers.authorization)).toEqual(Array(8).fill('Bearer theirs'));
    for (const { key } of Object.values(made)) expect(behind.seen.join()).not.toContain(key);
  });

  test('its WebSockets, whichever way the key is shown', async () => {
    const { behind, url } = await startWithKeys();
    for (const name of names) {
      const { key } = made[name];
      const isLet = name === 'take' || name === 'rule';
      const byHeader = await converse(url, '/api/events/out', [], { authorization: bearer(key) }, [{ is: 'x' }]);
      const byToken = await converse(url, '/api/events/out', ['prefect'], {}, [{ type: 'auth', token: key }]);
      expect([name, byHeader.over]).toEqual([name, isLet ? 'answered' : 'Unexpected server response: 403']);
      expect([name, byToken.over]).toEqual([name, isLet ? 'answered' : expect.stringMatching(/^1008 The key/)]);
    }
    for (const { key } of Object.values(made)) expect(behind.seen.join()).not.toContain(key);
  });

  test('and where all may ask, one that is not good for it does not bring this server’s access along', async () => {
    const { behind, url } = await startWithKeys({ upstreamOpen: true });
    for (const name of names) await ask(url, '/api/flows', { headers: { authorization: bearer(made[name].key) } });
    const shown = behind.requests.map(({ headers }) => headers.authorization);
    expect(shown).toEqual([undefined, 'Bearer theirs', 'Bearer theirs', undefined]);
  });
});

test('without a key of ours all reach it as they are, or with what it asks for', async () => {
  const open = { apiKey: null, authString: null };
  const plain = await start(open);
  const headers = { authorization: bearer('own') };
  await ask(plain.url, '/api/flows', { headers });
  const given = await start({ ...open, upstreamCredentials: { apiKey: 'theirs' } });
  await ask(given.url, '/api/flows', { headers });
  const seen = [plain, given].flatMap(({ behind }) => behind.requests.map(({ headers }) => headers.authorization));
  expect(seen).toEqual(['Bearer own', 'Bearer theirs']);
});

test('a client whose server behind is away is told so, once it has shown its token', async () => {
  const { url } = await start({ upstream: { origin: await freeOrigin(), prefix: '' } });
  const { over } = await converse(url, '/api/events/in', ['prefect'], {}, [
    { type: 'auth', token: KEY },
    { event: 'x' },
  ]);
  expect(over).toBe('1013 The Prefect server does not answer');
});

test('the release of a lease that is not known here goes on, one of ours does not', async () => {
  const { behind, url } = await start();
  const headers = { authorization: bearer(KEY) };
  const path = '/api/v2/concurrency_limits';
  const post = (call: string, body: object) =>
    ask(url, `${path}/${call}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const taken = await post('increment-with-lease', { names: [], slots: 1 });
  const { lease_id } = JSON.parse(taken.text);
  expect(await post('decrement-with-lease', { lease_id })).toMatchObject({ status: 204 });
  expect(behind.seen).toEqual([]);
  const unknown = { lease_id: '0f8fad5b-d9cb-469f-a165-70867728950e' };
  expect(await post('decrement-with-lease', unknown)).toMatchObject({ status: 200, text: 'from behind' });
  expect([behind.paths, behind.seen.at(-1)]).toEqual([[`${path}/decrement-with-lease`], JSON.stringify(unknown)]);
  expectNothingOfOurs(behind);
});

test('while the server behind is away, the release of a lease that has ended is no failure', async () => {
  const { url } = await start({ upstream: { origin: await freeOrigin(), prefix: '' } });
  const body = JSON.stringify({ lease_id: '0f8fad5b-d9cb-469f-a165-70867728950e' });
  const headers = { authorization: bearer(KEY) };
  const path = '/api/v2/concurrency_limits/decrement-with-lease';
  expect(await ask(url, path, { method: 'POST', headers, body })).toMatchObject({ status: 204, text: '' });
});

async function freeOrigin(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  // Nobody listens there.
  await once(connect(port, '127.0.0.1'), 'error');
  return `http://127.0.0.1:${port}`;
}

function expectNothingOfOurs({ seen, seenOfVersion }: Behind): void {
  const secrets = [KEY, AUTH, btoa(AUTH), btoa(KEY)];
  expect([...seen, ...seenOfVersion].filter((text) => secrets.some((secret) => text.includes(secret)))).toEqual([]);
}
