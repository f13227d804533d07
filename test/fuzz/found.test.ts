/** What fuzzing has found, each as small as it can be. Damage to the log's first sector is in journal-bytes.test.ts, malformed URLs in rest.test.ts. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type ClientMessage, jsonCodec, VERSIONS } from '@slotkeeper/protocol';
import { connect } from 'slotkeeper';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startWorld, Wire } from '../../packages/server/test/wire.ts';
import { ServerProcess } from '../server-process.ts';
import { raw, upgrade } from './bad-socket.ts';
import { HonestPair } from './honest.ts';

const NOBODY = [null, null, null, null, null];

describe('a session', () => {
  it('that asks for something after its goodbye is not listened to, and nobody else notices', async () => {
    const world = await startWorld();
    const failures: string[] = [];
    world.replica.on({ failed: (reason) => failures.push(reason) });
    const [wire, other] = [new Wire(world).greet(), new Wire(world).greet()];
    world.replica.submit({ type: 'limit.set', name: 'a', id: 'a', patch: { slots: 1 } });
    const lease = randomUUID();
    wire.sendText(JSON.stringify([2, ['z'], ['a', lease, [['a', 1]], 0, 0, NOBODY, 'error', null, false, false]]));
    await world.time.pass(1);
    expect([failures, wire.isClosed, wire.grantOf(lease), other.isClosed]).toEqual([[], true, undefined, false]);
  });

  it.each(['[-1e999,1]', '[0,1e999]', '[0,0.5]', '[1e300,-1]'])(
    'that names %s as its place is refused',
    async (place) => {
      const world = await startWorld();
      const wire = new Wire(world).greet();
      world.replica.submit({ type: 'limit.set', name: 'a', id: 'a', patch: { slots: 1 } });
      wire.acquire([['a', 1]]);
      const lease = randomUUID();
      wire.sendText(`[3,["a","${lease}",[["a",1]],null,0,${JSON.stringify(NOBODY)},"error",${place},false,false]]`);
      await world.time.pass(1);
      const { isClosed } = wire;
      const told = isClosed ? wire.of('goodbye').at(-1)?.error : wire.of('refused').at(-1)?.error;
      expect(told).toMatchObject({ code: 'INVALID_REQUEST', details: { field: expect.stringContaining('place') } });
      expect(world.replica.engine.waiters(null)).toEqual([]);
    },
  );
});

describe('a real server', () => {
  it.each([
    [
      'too long',
      `POST /api/${'x'.repeat(2_000)} HTTP/1.1\r\nHost: localhost\r\nX-0: ${'y'.repeat(15_000)}\r\n\r\n`,
      431,
    ],
    ['none', 'HELLO\r\n\r\n', 400],
  ])('answers a head that is %s as it answers all that it refuses', async (_, head, status) => {
    await using server = await ServerProcess.start();
    const answer = await raw(server.url, [head]);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*Content-Type: application/json\r\n`, 's'));
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as unknown;
    expect(body).toEqual({ exception_message: expect.any(String) });
  });

  it.each(['//', 'http://[', '//session'])('refuses a WebSocket at %s and lives on', async (path) => {
    await using server = await ServerProcess.start();
    expect(await raw(server.url, [upgrade(path)])).toMatch(/^HTTP\/1\.1 40[04]/);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it.each([
    ['another path', upgrade('/nope')],
    ['another site', upgrade('/session', 'Origin: http://elsewhere')],
  ])('survives that a refused WebSocket is reset: %s', async (_, request) => {
    await using server = await ServerProcess.start();
    for (let i = 0; i < 20; i++)
      await Promise.all(Array.from({ length: 10 }, () => raw(server.url, [request], undefined, true)));
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it('is not held up by twenty thousand drains of one limit', async () => {
    await using server = await ServerProcess.start();
    await using keeper = await connect(server.url);
    await keeper.limits.set('db', { slots: 1 });
    const held = await keeper.acquire('db');
    await using honest = await HonestPair.start(server.url);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/session`);
    await once(socket, 'open');
    const session = randomUUID();
    const send = (number: number, messages: readonly ClientMessage[]): void => {
      for (const text of jsonCodec.encodeClientFrame({ number, messages })) socket.send(text);
    };
    send(1, [
      {
        type: 'hello',
        versionMin: VERSIONS.min,
        sessionId: session,
        connection: 1,
        ttlMs: 15_000,
        apiKey: null,
        versionMax: 0,
      },
      { type: 'ready' },
    ]);
    const drains = Array.from({ length: 20_000 }, (_, id) => {
      return { type: 'call', id, method: 'limits.drain', params: { name: 'db' } } as const;
    });
    send(2, drains);
    let answers = 0;
    const answered = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const { ack, messages } = jsonCodec.decodeServerFrame(String(data));
        if (ack === 2) void held.release();
        answers += messages.filter(({ type }) => type === 'reply' || type === 'failed').length;
        if (answers === drains.length) resolve();
      });
    });
    await honest.more(5);
    await answered;
    await honest.stop();
    socket.terminate();
  });
});
