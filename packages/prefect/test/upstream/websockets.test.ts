import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { RawClient, start, startFront } from './scene.ts';

interface Pair {
  readonly client: WebSocket;
  /** The client as the server behind sees it. */
  readonly far: WebSocket;
  readonly request: IncomingMessage;
  /** The client's connection, as the front has it. */
  readonly nearSocket: Socket;
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
  return { client, far, request, nearSocket: front.lastSocket() };
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

const TUNNEL = '/api/logs/out';
const EVENTS = '/api/events/in';
const PATHS = [[TUNNEL], [EVENTS]];
const HANDSHAKE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

const ENDS = {
  'the client': ({ client, far }: Pick<Pair, 'client' | 'far'>) => [client, far] as const,
  'the server': ({ client, far }: Pick<Pair, 'client' | 'far'>) => [far, client] as const,
};
type End = keyof typeof ENDS;

test.each<[string, End]>([
  [TUNNEL, 'the client'],
  [TUNNEL, 'the server'],
  [EVENTS, 'the client'],
  [EVENTS, 'the server'],
])('%s: the code and the reason with which %s closes reach the other end', async (path, end) => {
  const [from, to] = ENDS[end](await connected({ path }));
  from.close(4321, 'enough');
  expect(await Promise.all([closed(to), closed(from)])).toEqual([
    [4321, 'enough'],
    [4321, 'enough'],
  ]);
});

test.each<[End]>([['the client'], ['the server']])(
  'events: a close of %s without a code has none there',
  async (end) => {
    const [from, to] = ENDS[end](await connected({ path: EVENTS }));
    from.close();
    expect(await closed(to)).toEqual([1005, '']);
  },
);

test.each(PATHS)('%s: only the other end answers a ping', async (path) => {
  const { client, far } = await connected({ path, client: { autoPong: false }, server: { autoPong: false } });
  const heard: string[] = [];
  for (const [name, socket] of Object.entries({ client, far })) {
    for (const what of ['ping', 'pong'] as const) socket.on(what, (data) => heard.push(`${name}: ${what} ${data}`));
  }
  client.ping('a');
  await once(far, 'ping');
  far.pong('b');
  await once(client, 'pong');
  far.ping('c');
  await once(client, 'ping');
  client.send('done');
  await once(far, 'message');
  expect(heard).toEqual(['far: ping a', 'client: pong b', 'client: ping c']);
});

test.each(PATHS)('%s: a server that is killed ends its clients without a close', async (path) => {
  const { client, far } = await connected({ path });
  far.terminate();
  expect(await closed(client)).toEqual([1006, '']);
});

test.each(PATHS)('%s: a client that is killed ends its connection there', async (path) => {
  const { client, far } = await connected({ path });
  client.terminate();
  expect(await closed(far)).toEqual([1006, '']);
});

test.each(PATHS)('%s: a client that goes away before the upstream has agreed takes its request along', async (path) => {
  const front = await start();
  const client = new RawClient(front);
  client.send(`GET ${path} HTTP/1.1`, 'Host: x', ...HANDSHAKE, '');
  const [, far] = await once(front.server, 'upgrade');
  far.resume();
  client.socket.destroy();
  await once(far, 'end');
  far.end();
});

test.each(PATHS)('%s: a refusal comes back as it is', async (path) => {
  const front = await start();
  front.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 403 Not You\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nno!\n');
  });
  const client = new RawClient(front);
  client.send(`GET ${path} HTTP/1.1`, 'Host: x', ...HANDSHAKE, '');
  const answer = await client.ended();
  expect(answer).toMatch(/^HTTP\/1\.1 403 Not You\r\n/);
  expect(answer).toContain('\r\nX-Why: no\r\n');
  expect(answer).toMatch(/\r\n\r\nno!\n$/);
});

test.each(PATHS)('%s: an upstream that is away is 502', async (path) => {
  const { server, ...front } = await start();
  server.close();
  const client = new RawClient(front);
  client.send(`GET ${path} HTTP/1.1`, 'Host: x', ...HANDSHAKE, '');
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

/** What the server behind receives, up to and with a ping that says `done`. */
async function receivedUntilDone(far: WebSocket): Promise<readonly string[]> {
  const heard: string[] = [];
  far.on('message', (data, isBinary) => heard.push(isBinary ? `bytes ${data}` : String(data)));
  await once(far, 'ping');
  return heard;
}

test('events: a message in parts is left out whole, or passes; pings between its parts pass', async () => {
  const { client, far } = await connected({ path: EVENTS });
  const pings: string[] = [];
  far.on('ping', (data) => pings.push(String(data)));
  const heard = receivedUntilDone(far);
  client.send('{"event":', { fin: false });
  client.send('"ours.x"', { fin: false });
  client.send('}');
  client.send('{"event":', { fin: false });
  client.send('"x"}');
  client.send('{"event":"ours.x"}', { binary: true });
  client.ping('done');
  expect(await heard).toEqual(['{"event":"x"}', 'bytes {"event":"ours.x"}']);
});

test('events: a message that is longer than any event passes without being looked at', async () => {
  const { client, far } = await connected({ path: EVENTS });
  const long = `{"event":"ours.x","payload":"${'x'.repeat(1_100_000)}"}`;
  const heard = receivedUntilDone(far);
  client.send(long);
  client.send('{"event":"ours.x"}');
  client.ping('done');
  expect((await heard).map(({ length }) => length)).toEqual([long.length]);
});

test('events: a message that is longer than a Prefect server takes ends the connection', async () => {
  const { client, far } = await connected({ path: EVENTS });
  client.send('x'.repeat(17_000_000));
  expect([(await closed(client))[0], (await closed(far))[0]]).toEqual([1009, 1006]);
});

test('events: a message of endless empty frames ends the connection', async () => {
  const { client, far } = await connected({ path: EVENTS });
  client.send('x', { fin: false });
  for (let i = 0; i < 20_000; i += 1) client.send('', { fin: false });
  expect([(await closed(client))[0], (await closed(far))[0]]).toEqual([1008, 1006]);
});

test('events: what is no frame of the protocol ends the connection', async () => {
  const front = await start();
  const server = new WebSocketServer({ server: front.server });
  onTestFinished(() => server.close());
  const client = new RawClient(front);
  client.send(`GET ${EVENTS} HTTP/1.1`, 'Host: x', ...HANDSHAKE, '');
  const [far] = (await once(server, 'connection')) as [WebSocket];
  await client.received('\r\n\r\n');
  client.socket.write(Buffer.from([0xff, 0xff, 0xff]));
  expect(await closed(far)).toEqual([1006, '']);
});

test.each(['the client', 'the server'] as const)(
  'events: what %s says is not read while the other end does not read, and arrives when it does',
  async (end) => {
    const { client, far, nearSocket } = await connected({ path: EVENTS });
    const [from, to] = ENDS[end]({ client, far });
    to.pause();
    const count = 400;
    const text = 'x'.repeat(100_000);
    for (let i = 0; i < count; i += 1) from.send(`${i} ${text}`);
    // Much less than all of it is read.
    if (end === 'the client') while (!nearSocket.isPaused()) await turn();
    const heard: number[] = [];
    const all = new Promise<void>((resolve) => {
      to.on('message', (data) => {
        heard.push(Number.parseInt(String(data), 10));
        if (heard.length === count) resolve();
      });
    });
    to.resume();
    await all;
    expect(heard).toEqual(Array.from({ length: count }, (_, i) => i));
  },
);

test.each([
  { offered: ['other', 'prefect'], agreed: 'prefect' },
  { offered: ['prefect'], agreed: 'prefect' },
  { offered: [], agreed: '' },
])('events: of the sub-protocols $offered the upstream agrees to "$agreed"', async ({ offered, agreed }) => {
  const handleProtocols = (names: Set<string>) => (names.has('prefect') ? 'prefect' : false);
  const { client, far } = await connected({ path: EVENTS, protocols: offered, server: { handleProtocols } });
  expect([client.protocol, far.protocol]).toEqual([agreed, agreed]);
});

test('events: a client that offers only another sub-protocol is taken without one', async () => {
  const front = await start();
  const server = new WebSocketServer({ server: front.server });
  onTestFinished(() => server.close());
  const client = new RawClient(front);
  client.send(`GET ${EVENTS} HTTP/1.1`, 'Host: x', ...HANDSHAKE, 'Sec-WebSocket-Protocol: other', '');
  const answer = await client.received('\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 101 /);
  expect(answer).not.toMatch(/sec-websocket-protocol/i);
});

test('events: the path, its query and the header arrive there', async () => {
  const { request } = await connected({
    path: `${EVENTS}?x=%20`,
    client: { headers: { Authorization: 'Bearer k', Cookie: 'a=1', Origin: 'http://elsewhere.example' } },
  });
  expect(request.url).toBe(`${EVENTS}?x=%20`);
  expect(request.headers).toMatchObject({
    authorization: 'Bearer k',
    cookie: 'a=1',
    origin: 'http://elsewhere.example',
    'x-forwarded-for': '127.0.0.1',
  });
});
