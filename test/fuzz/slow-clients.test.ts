/** Clients that are slow, silent or gone: each loses its own connection at the most, and costs the server no more than its bound. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type ChannelEvents, type ClientFrame, jsonCodec, VERSIONS } from '@slotkeeper/protocol';
import { connect } from 'slotkeeper';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ELSEWHERE } from '../../packages/server/test/keyring.ts';
import { startWorld, Wire, wait } from '../../packages/server/test/wire.ts';
import { ServerProcess } from '../server-process.ts';
import { dial, upgrade } from './bad-socket.ts';
import { TEST_TIMEOUT_MS, times } from './budget.ts';
import { HonestPair } from './honest.ts';
import { Resident } from './resident.ts';

/** What readers that do not read may cost: 16 MiB each, and what a collector of garbage leaves lying. Without bounds it was 1,100. */
const UNREAD_MIB = 250;

function greeting(): ClientFrame {
  return {
    number: 1,
    messages: [
      {
        type: 'hello',
        versionMin: VERSIONS.min,
        sessionId: randomUUID(),
        connection: 1,
        ttlMs: 15_000,
        apiKey: null,
        versionMax: 0,
      },
      { type: 'ready' },
    ],
  };
}

function text(frame: ClientFrame): string {
  return [...jsonCodec.encodeClientFrame(frame)].join();
}

/** A text frame of up to 125 bytes as it goes over the wire, masked with zeros. */
function webSocketFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}

/** Byte by byte: each is with the operating system before the next one goes. */
async function trickle(socket: ReturnType<typeof dial>, bytes: Buffer): Promise<void> {
  socket.setNoDelay(true);
  for (const byte of bytes) {
    await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    await setImmediate();
  }
}

describe('a client that is slow', () => {
  it('sends its request and its frames byte by byte, and is served like any other', async () => {
    await using server = await ServerProcess.start();
    await using honest = await HonestPair.start(server.url);
    const http = dial(server.url);
    const session = dial(server.url);
    let heard = '';
    session.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    const answered = once(http, 'data');
    await Promise.all([
      trickle(http, Buffer.from('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')),
      trickle(session, Buffer.concat([Buffer.from(upgrade('/session')), webSocketFrame(text(greeting()))])),
    ]);
    expect(String(await answered)).toContain('200 OK');
    while (!heard.includes('["w","')) await once(session, 'data');
    session.destroy();
    http.destroy();
    await honest.more(3);
    await honest.stop();
  });

  it('says nothing, or never comes to an end of its greeting, and is told to go after ten seconds', async () => {
    const world = await startWorld();
    const silent = new Wire(world);
    const halfway = new Wire(world);
    halfway.send({
      type: 'hello',
      versionMin: VERSIONS.min,
      sessionId: halfway.session,
      connection: 1,
      ttlMs: 15_000,
      apiKey: null,
      versionMax: 0,
    });
    await world.time.pass(9_000);
    halfway.send({ type: 'claim', leaseId: randomUUID(), token: 1 });
    expect([silent.isClosed, halfway.isClosed]).toEqual([false, false]);
    await world.time.pass(1_000);
    for (const wire of [silent, halfway]) {
      expect(wire.isClosed).toBe(true);
      expect(wire.of('goodbye').at(-1)?.error).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'hello' } });
    }
  });

  it(
    'asks for long lists and does not read: it is cut off at its bound, and nobody else waits for it',
    async () => {
      await using server = await ServerProcess.start();
      await using admin = await connect(server.url);
      const names = Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(250, '-'));
      await Promise.all(names.map((name) => admin.limits.set(name, { slots: 1 })));
      await using honest = await HonestPair.start(server.url);
      await honest.more(3);
      const memory = new Resident(server.pid);
      memory.sample();
      const before = memory.maxMib;
      for (let i = 0; i < times(2); i++) {
        const socket = new WebSocket(`${server.url.replace('http', 'ws')}/session`, { perMessageDeflate: false });
        await once(socket, 'open');
        socket.send(text(greeting()));
        const [welcome] = await once(socket, 'message');
        expect(jsonCodec.decodeServerFrame(String(welcome)).messages[0]?.type).toBe('welcome');
        socket.pause();
        const lists = Array.from({ length: 900 }, (_, id) => {
          return { type: 'call', id, method: 'limits.list', params: { prefix: '', after: null } } as const;
        });
        socket.send(text({ number: 2, messages: lists }));
        // Each round takes at least two batches, and with each batch one list goes out.
        const until = honest.rounds + 100;
        while (honest.rounds < until) {
          await honest.more(5);
          memory.sample();
        }
        const ended = once(socket, 'close');
        let answers = 0;
        socket.on('message', (data) => {
          answers += jsonCodec.decodeServerFrame(String(data)).messages.length;
        });
        socket.resume();
        await ended;
        expect(answers).toBeLessThan(lists.length / 2);
      }
      await honest.stop();
      const grown = memory.maxMib - before;
      console.log(
        `${grown.toFixed()} MiB more at the most; the honest waited ${honest.slowestMs.toFixed()} ms at the most`,
      );
      expect(grown).toBeLessThan(UNREAD_MIB);
    },
    TEST_TIMEOUT_MS,
  );

  it('is cut off at its bound, and counts as gone from then on', async () => {
    const world = await startWorld();
    world.replica.submit({ type: 'limit.set', name: 'a', id: 'a', patch: { slots: 1 } });
    const opened: ChannelEvents<ClientFrame>[] = [];
    const channel = {
      sent: 0,
      isClosed: false,
      bufferedBytes: 0,
      send() {
        this.sent += 1;
      },
      close() {
        this.isClosed = true;
      },
    };
    world.sessions.accept((events) => {
      opened.push(events);
      return channel;
    }, ELSEWHERE);
    const send = (frame: ClientFrame) => opened[0]?.frame(frame);
    send(greeting());
    await world.time.pass(1);
    channel.bufferedBytes = 17 * 2 ** 20;
    send({ number: 2, messages: [] });
    await world.time.pass(1);
    expect(channel).toMatchObject({ sent: 2, isClosed: true });
    send({ number: 3, messages: [{ type: 'acquire', request: wait([['a', 1]]) }] });
    await world.time.pass(1);
    expect([...world.replica.engine.holders(null)]).toEqual([]);
    expect(channel.sent).toBe(2);
  });

  it(
    'connects and is gone, ten thousand times, and leaves nothing behind',
    async () => {
      await using server = await ServerProcess.start();
      await using honest = await HonestPair.start(server.url);
      const memory = new Resident(server.pid);
      const before = openFiles(server.pid);
      const path = [upgrade('/session'), upgrade('/nope'), '', 'GET /readyz HT'];
      for (let i = 0; i < times(10_000); i += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, j) => visit(server.url, path[j % 4] as string, j)));
        memory.sample();
      }
      await honest.more(3);
      await honest.stop();
      for (let looks = 0; openFiles(server.pid) > before && looks < 1_000; looks++) await fetch(`${server.url}/readyz`);
      expect(openFiles(server.pid)).toBeLessThanOrEqual(before + 5);
      console.log(
        `${memory.maxMib.toFixed()} MiB at the most, ${memory.growthMib.toFixed()} MiB growth, ${honest.rounds} rounds`,
      );
      expect(memory.growthMib).toBeLessThan(100);
    },
    TEST_TIMEOUT_MS,
  );
});

/** Connects, sends it, and leaves: in order, or with a reset. */
async function visit(url: string, text: string, i: number): Promise<void> {
  const socket = dial(url);
  await once(socket, 'connect');
  if (text !== '') await new Promise((resolve) => socket.write(text, resolve));
  const closed = once(socket, 'close');
  if (i % 3 === 0) socket.resetAndDestroy();
  else socket.destroy();
  await closed;
}

/** How many files and sockets a process has open; 0 where the system does not show it. */
function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
