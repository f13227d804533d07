/** What a client may cost before it has greeted, and by pings alone, on a real server: bounded attacks. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { VERSIONS } from '@slotkeeper/protocol';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ServerProcess } from '../server-process.ts';
import { TEST_TIMEOUT_MS } from './budget.ts';
import { HonestPair } from './honest.ts';
import { residentMib } from './resident.ts';

/** As in session.ts. */
const GREETING_MAX = 256;
const MORE = 44;
const MIB = 2 ** 20;

async function connection(url: string, path: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`);
  socket.on('error', () => {});
  await once(socket, 'open');
  return socket;
}

it(
  'connections that say no hello make room for others, and are asked to come back',
  async () => {
    await using server = await ServerProcess.start();
    await using honest = await HonestPair.start(server.url);
    const goodbyes: string[] = [];
    const sockets: WebSocket[] = [];
    const closed: Promise<unknown>[] = [];
    for (let i = 0; i < GREETING_MAX + MORE; i += 1) {
      const socket = await connection(server.url, '/session');
      socket.on('message', (data) => goodbyes.push(String(data)));
      sockets.push(socket);
      if (i < MORE) closed.push(once(socket, 'close'));
    }
    await Promise.all(closed);
    expect(goodbyes).toHaveLength(MORE);
    expect(goodbyes.every((text) => text.includes('have not said hello yet'))).toBe(true);
    expect(sockets.filter(({ readyState }) => readyState === WebSocket.OPEN)).toHaveLength(GREETING_MAX);
    await using later = await HonestPair.start(server.url);
    await later.more(3);
    await honest.more(3);
    for (const socket of sockets) socket.terminate();
    await later.stop();
    await honest.stop();
  },
  TEST_TIMEOUT_MS,
);

/** Of a WebSocket, as bytes: the handshake has been answered. */
async function rawConnection(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  socket.write(
    `GET /session HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  await once(socket, 'data');
  return socket;
}

it(
  'what connections send before their hello is accepted has a bound for all of them together, and keeps no client out',
  async () => {
    await using server = await ServerProcess.start();
    await using honest = await HonestPair.start(server.url);
    const before = residentMib(server.pid);
    // The beginning of a frame of 4 MiB, of which the last MiB never comes.
    const begun = Buffer.concat([
      Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 0, 1, 2, 3, 4]),
      Buffer.alloc(3 * MIB),
    ]);
    const sockets: Socket[] = [];
    const allButFew = Promise.withResolvers<void>();
    let turnedAway = 0;
    for (let i = 0; i < 60; i += 1) {
      const socket = await rawConnection(server.url);
      sockets.push(socket);
      socket.on('data', (data) => {
        if (!data.includes('have sent more than the server takes')) return;
        turnedAway += 1;
        if (turnedAway === 50) allButFew.resolve();
      });
      socket.write(begun);
    }
    await allButFew.promise;
    await using later = await HonestPair.start(server.url);
    await later.more(3);
    await honest.more(3);
    const now = residentMib(server.pid);
    if (before !== undefined && now !== undefined) expect(now - before).toBeLessThan(150);
    for (const socket of sockets) socket.destroy();
    await later.stop();
    await honest.stop();
  },
  TEST_TIMEOUT_MS,
);

/** A session: before its hello is accepted, pings count as what it sends, and end it. */
async function session(url: string): Promise<WebSocket> {
  const socket = await connection(url, '/session');
  socket.send(JSON.stringify([1, ['h', VERSIONS.min, randomUUID(), 1, 300_000, null, VERSIONS.max], ['r']]));
  await once(socket, 'message');
  return socket;
}

it(
  'a client that sends pings in place of a hello is turned away',
  async () => {
    await using server = await ServerProcess.start();
    const socket = await connection(server.url, '/session');
    const closed = once(socket, 'close');
    const data = Buffer.alloc(125);
    for (let sent = 0; sent < 200_000; sent += 1) socket.ping(data, true, () => {});
    await closed;
  },
  TEST_TIMEOUT_MS,
);

it.each(['/session', '/api/events/in', '/api/events/out'])(
  'a client of %s that sends pings and does not read has one pong under way',
  async (path) => {
    await using server = await ServerProcess.start();
    const socket = path === '/session' ? await session(server.url) : await connection(server.url, path);
    let pongs = 0;
    socket.on('pong', () => {
      pongs += 1;
    });
    socket.pause();
    const pings = 200_000;
    const data = Buffer.alloc(125);
    for (let sent = 1; sent <= pings; sent += 1) {
      if (sent % 1_000 === 0) await new Promise((written) => socket.ping(data, true, written));
      else socket.ping(data, true);
    }
    socket.resume();
    // What came last is answered, and there is nothing before it but what the sockets of the system have held.
    const last = Buffer.from('last');
    socket.ping(last, true);
    await new Promise<void>((resolve) => {
      socket.on('pong', (answer) => {
        if (answer.equals(last)) resolve();
      });
    });
    expect(pongs).toBeGreaterThan(0);
    expect(pongs).toBeLessThan(pings / 2);
    socket.terminate();
  },
  TEST_TIMEOUT_MS,
);
