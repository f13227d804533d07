import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { RawClient, start, startFront } from './scene.ts';

interface Pair {
  readonly client: WebSocket;
  /** The client as the server behind sees it. */
  readonly far: WebSocket;
  readonly request: IncomingMessage;
}

/** A client connected through a front to a server behind. */
async function connected(
  options: { path?: string; protocols?: string[]; client?: ClientOptions; server?: ServerOptions } = {},
): Promise<Pair> {
  const { path = '/api/logs/out', protocols = [] } = options;
  const front = await start();
  const server = new WebSocketServer({ server: front.server, maxPayload: 64_000_000, ...options.server });
  onTestFinished(() => server.close());
  const client = new WebSocket(`ws://127.0.0.1:${front.port}${path}`, protocols, options.client);
  onTestFinished(() => client.terminate());
  const [[far, request]] = await Promise.all([once(server, 'connection'), once(client, 'open')]);
  return { client, far, request };
}

/** The next message, as it was sent. */
async function received(socket: WebSocket): Promise<{ data: Buffer; isBinary: boolean }> {
  const [data, isBinary] = await once(socket, 'message');
  return { data, isBinary };
}

async function closed(socket: WebSocket): Promise<[number, string]> {
  const [code, reason] = await once(socket, 'close');
  return [code, String(reason)];
}

test('texts and bytes go both ways as they are', async () => {
  const { client, far } = await connected();
  for (const [from, to] of [
    [client, far],
    [far, client],
  ] as const) {
    from.send('größer');
    expect(await received(to)).toEqual({ data: Buffer.from('größer'), isBinary: false });
    const bytes = randomBytes(3_000_000);
    from.send(bytes);
    const { data, isBinary } = await received(to);
    expect([data.equals(bytes), isBinary]).toEqual([true, true]);
  }
});

test('what the server says before the client has heard that it is open is not lost', async () => {
  const front = await start();
  const server = new WebSocketServer({ server: front.server });
  server.on('connection', (socket) => socket.send('first'));
  const client = new WebSocket(`ws://127.0.0.1:${front.port}/`);
  expect((await received(client)).data.toString()).toBe('first');
  client.terminate();
});

test('what the client says before it has heard that the upstream agrees is not lost', async () => {
  const front = await start();
  front.server.on('upgrade', (_request, socket, head) => {
    socket.unshift(head);
    socket.write('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  const client = new RawClient(front);
  client.send('GET /ws HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', '', 'early');
  expect(await client.received('early')).toMatch(/^HTTP\/1\.1 101 Yes\r\n/);
});

test('the path, its query and the header arrive; extensions and the sub-protocol are agreed with the upstream', async () => {
  const { client, request } = await connected({
    path: '/api/events/out?x=%20',
    protocols: ['other', 'prefect'],
    client: { headers: { Authorization: 'Bearer k', Origin: 'http://elsewhere.example' } },
    server: { perMessageDeflate: true, handleProtocols: () => 'prefect' },
  });
  expect([client.protocol, client.extensions]).toEqual(['prefect', 'permessage-deflate']);
  expect(request.url).toBe('/api/events/out?x=%20');
  expect(request.headers).toMatchObject({
    authorization: 'Bearer k',
    origin: 'http://elsewhere.example',
    'x-forwarded-for': '127.0.0.1',
  });
});

test.each([
  ['the client', ({ client, far }: Pair) => [client, far] as const],
  ['the server', ({ client, far }: Pair) => [far, client] as const],
])('the code and the reason with which %s closes reach the other end', async (_title, ends) => {
  const [from, to] = ends(await connected());
  from.close(4321, 'enough');
  expect(await Promise.all([closed(to), closed(from)])).toEqual([
    [4321, 'enough'],
    [4321, 'enough'],
  ]);
});

test.each([['/api/logs/out'], ['/api/events/in']])('%s: only the other end answers a ping', async (path) => {
  const { client, far } = await connected({ path, client: { autoPong: false }, server: { autoPong: false } });
  client.ping('a');
  expect(String(await once(far, 'ping'))).toBe('a');
  far.pong('b');
  expect(String(await once(client, 'pong'))).toBe('b');
  far.ping('c');
  expect(String(await once(client, 'ping'))).toBe('c');
});

test('a server that is killed ends its clients without a close', async () => {
  const { client, far } = await connected();
  far.terminate();
  expect(await closed(client)).toEqual([1006, '']);
});

test('a client that is killed ends its connection there', async () => {
  const { client, far } = await connected();
  client.terminate();
  expect(await closed(far)).toEqual([1006, '']);
});

test('a client that goes away before the upstream has agreed takes its request along', async () => {
  const front = await start();
  const client = new RawClient(front);
  client.send('GET /ws HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', '');
  const [, far] = await once(front.server, 'upgrade');
  far.resume();
  client.socket.destroy();
  await once(far, 'end');
  far.end();
});

test('a refusal comes back as it is', async () => {
  const front = await start();
  front.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 403 Not You\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nno!\n');
  });
  const client = new RawClient(front);
  client.send('GET /ws HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', '');
  const answer = await client.ended();
  expect(answer).toMatch(/^HTTP\/1\.1 403 Not You\r\n/);
  expect(answer).toContain('\r\nX-Why: no\r\n');
  expect(answer).toMatch(/\r\n\r\nno!\n$/);
});

test('an upstream that is away is 502', async () => {
  const { server, ...front } = await start();
  server.close();
  const client = new RawClient(front);
  client.send('GET /ws HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', '');
  expect(await client.ended()).toMatch(/^HTTP\/1\.1 502 .*ECONNREFUSED/s);
});

test('an upstream that leads back here is 508', async () => {
  const front = await start();
  const again = await startFront(front.url);
  front.server.on('upgrade', (request: IncomingMessage, socket) => {
    const client = new RawClient(again);
    const headers = request.rawHeaders.flatMap((name, at) =>
      at % 2 ? [] : [`${name}: ${request.rawHeaders[at + 1]}`],
    );
    client.send('GET /ws HTTP/1.1', ...headers, '');
    client.socket.pipe(socket);
  });
  const client = new RawClient(again);
  client.send('GET /ws HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', '');
  expect(await client.ended()).toMatch(/^HTTP\/1\.1 508 /);
});

test('another protocol than WebSockets is not agreed on', async () => {
  const front = await start((request, response) => response.end(`<${request.headers.upgrade}>`));
  const client = new RawClient(front);
  client.send(
    'GET /x HTTP/1.1',
    'Host: x',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: x',
    '',
  );
  expect(await client.received('<undefined>')).toMatch(/^HTTP\/1\.1 200 /);
});

test('the front ends with WebSockets open', async () => {
  const front = await start();
  const server = new WebSocketServer({ server: front.server });
  const client = new WebSocket(`ws://127.0.0.1:${front.port}/`);
  const [[far]] = await Promise.all([once(server, 'connection'), once(client, 'open')]);
  await Promise.all([front.close(), closed(client), closed(far)]);
});

test('of events, those that this server tells are left out, all else passes in its order', async () => {
  const { client, far } = await connected({ path: '/api/events/in', server: { perMessageDeflate: true } });
  expect(client.extensions).toBe('');
  const heard: string[] = [];
  far.on('message', (data) => heard.push(String(data)));
  far.on('ping', (data) => heard.push(`ping ${data}`));
  const passing = ['{"type":"auth","token":null}', '{"event":"a"}', 'no JSON', '{"event":"ours"}', '"ours.x"', '[]'];
  client.send('{"event":"ours.first"}');
  for (const text of passing) {
    client.send(text);
    client.send('{"event":"ours.x","resource":{}}');
  }
  client.ping('done');
  await once(far, 'ping');
  expect(heard).toEqual([...passing, 'ping done']);
  far.send('{"event":"ours.x"}');
  expect(String((await received(client)).data)).toBe('{"event":"ours.x"}');
});

test('a client that comes while the server stops is sent away, and the server stops', async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const { url, port, close } = await start((_request, response) => {
    asked.resolve();
    void answer.promise.then(() => response.end());
  });
  const slow = fetch(`${url}/slow`).catch(() => undefined);
  await asked.promise;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const closing = close();
  socket.on('error', () => {});
  socket.write('GET /api/events/out HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await once(socket.resume(), 'close');
  answer.resolve();
  await closing;
  await slow;
});
