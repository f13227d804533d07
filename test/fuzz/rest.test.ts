/** Requests to Prefect's v1 paths that are wrong in every way. None is answered by a fault of the server, none does half of what it says. */
import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Random } from '../random.ts';
import { ServerProcess } from '../server-process.ts';
import { type Answer, type BadRequest, badRequest, send } from './bad-request.ts';
import { dial, raw } from './bad-socket.ts';
import { seeded, TEST_TIMEOUT_MS, times } from './budget.ts';
import { HonestPair } from './honest.ts';
import { Resident } from './resident.ts';

interface TagLimit {
  readonly id: string;
  readonly tag: string;
}

describe('requests that are wrong', () => {
  it(
    'are refused as Prefect refuses, and change nothing',
    async () => {
      const random = seeded('rest.test.ts');
      await using server = await ServerProcess.start();
      await using honest = await HonestPair.start(server.url);
      const agent = new Agent({ keepAlive: true });
      const memory = new Resident(server.pid);
      const runs = Array.from({ length: 5 }, () => randomUUID());
      const statuses: Record<string, number> = {};
      let before = await limitsOf(server.url, agent);
      for (let i = 0; i < times(800); i++) {
        if (i % 100 === 0) {
          memory.sample();
          for (const { id } of before)
            await send(server.url, agent, {
              method: 'DELETE',
              path: `/api/concurrency_limits/${id}`,
              headers: {},
              body: null,
            });
          before = await limitsOf(server.url, agent);
        }
        const bad = badRequest(random, { ids: before.map(({ id }) => id), runs });
        const answer = await send(server.url, agent, bad);
        const status = answer?.status ?? 'held';
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (answer) checkAnswer(bad, answer);
        const after = await limitsOf(server.url, agent);
        if (answer && answer.status >= 400)
          expect(after, `after a refusal of ${told(bad)}: ${answer.text}`).toEqual(before);
        before = after;
      }
      await honest.more(3);
      await honest.stop();
      agent.destroy();
      console.log(`answers: ${JSON.stringify(statuses)}; ${memory.maxMib.toFixed()} MiB at the most`);
      expect(memory.growthMib).toBeLessThan(100);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'that are no requests at all, or lie about their length, harm their own connection alone',
    async () => {
      const random = seeded('rest.test.ts');
      await using server = await ServerProcess.start();
      await using honest = await HonestPair.start(server.url);
      const agent = new Agent({ keepAlive: true });
      const before = await limitsOf(server.url, agent);
      for (let i = 0; i < times(60); i++) {
        const heard = await Promise.all(
          Array.from({ length: 5 }, () => raw(server.url, badHttp(random), 60, random.next() < 0.3)),
        );
        for (const answer of heard) expect(answer, 'an answer to what is no request').not.toMatch(/^HTTP\/1\.1 5/);
      }
      expect(await limitsOf(server.url, agent)).toEqual(before);
      await honest.more(3);
      await honest.stop();
      agent.destroy();
    },
    TEST_TIMEOUT_MS,
  );

  it('whose body never comes keep nobody waiting, and what they ask for does not happen', async () => {
    await using server = await ServerProcess.start();
    await using honest = await HonestPair.start(server.url);
    const agent = new Agent({ keepAlive: true });
    const body = JSON.stringify({ tag: 'slow', concurrency_limit: 1 });
    const slow = Array.from({ length: 20 }, () => {
      const socket = dial(server.url);
      socket.write(
        `POST /api/concurrency_limits/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, -1)}`,
      );
      return socket;
    });
    await honest.more(10);
    expect(await limitsOf(server.url, agent)).toEqual([]);
    const answers = slow.slice(1).map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    slow[0]?.write(body.slice(-1));
    const [answer] = await new Promise<[Buffer]>((resolve) => slow[0]?.once('data', (chunk) => resolve([chunk])));
    expect(String(answer)).toContain('201 Created');
    for (const socket of slow) socket.destroy();
    await Promise.all(answers);
    expect(await limitsOf(server.url, agent)).toMatchObject([{ tag: 'slow' }]);
    await honest.stop();
    agent.destroy();
  });

  it('show the key first, even with a URL that means nothing', async () => {
    await using server = await ServerProcess.start('--api-key', 'secret');
    const agent = new Agent();
    for (const path of ['/api/concurrency_limits/tag/%zz', '/api/%', '/api/concurrency_limits/tag/%ff', '/api/none']) {
      const answer = await send(server.url, agent, { method: 'GET', path, headers: {}, body: null }, null);
      expect(answer, path).toMatchObject({ status: 401, text: '{"exception_message":"Unauthorized"}' });
    }
  });
});

/** JSON, never a fault of the server; a refusal says why in one of Prefect's ways. */
function checkAnswer(bad: BadRequest, { status, contentType, text }: Answer): void {
  const what = `the answer to ${told(bad)}: ${status} ${text.slice(0, 300)}`;
  expect(status, what).toBeLessThan(500);
  if (bad.method === 'HEAD' || status === 204) return;
  expect(contentType, what).toBe('application/json');
  const body = JSON.parse(text) as Record<string, unknown>;
  if (status < 400) return;
  const isTold = typeof body.detail === 'string' || typeof body.exception_message === 'string';
  expect(isTold, what).toBe(true);
  if (Array.isArray(body.exception_detail)) {
    for (const fault of body.exception_detail)
      expect(fault, what).toMatchObject({ type: expect.any(String), loc: expect.any(Array), msg: expect.any(String) });
  }
}

function told({ method, path, headers, body }: BadRequest): string {
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers).slice(0, 300)} ${body?.toString().slice(0, 500) ?? ''}`;
}

/** All that a request can change: limits, and who holds them. */
async function limitsOf(url: string, agent: Agent): Promise<TagLimit[]> {
  const answer = await send(
    url,
    agent,
    { method: 'POST', path: '/api/concurrency_limits/filter', headers: {}, body: Buffer.from('{"limit":200}') },
    null,
  );
  expect(answer?.status).toBe(200);
  return JSON.parse(answer?.text ?? '') as TagLimit[];
}

/** Bytes that are nearly a request. What it asks for can be refused in any case: the tag is none. */
function badHttp(random: Random): (string | Buffer)[] {
  const body = '{"tag":"a/b","concurrency_limit":3}';
  const post = (headers: string, sent = body) => [
    `POST /api/concurrency_limits/ HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`,
    sent,
  ];
  return random.pick([
    () => post(`Content-Length: ${body.length + random.integer(1, 1e6)}`),
    () => post(`Content-Length: ${random.integer(0, body.length - 1)}`),
    () => post(`Content-Length: ${random.pick(['-1', '0x10', '1e3', '', '9'.repeat(30), '2000000', '+35', '35, 35'])}`),
    () => post(`Content-Length: 35\r\nContent-Length: ${random.pick([34, 35])}`),
    () => post('Content-Length: 35\r\nTransfer-Encoding: chunked'),
    () =>
      post(
        'Transfer-Encoding: chunked',
        `${random.pick(['23', '24', 'zz', '-1', 'ffffffffffffffff', ''])}\r\n${body}\r\n0\r\n\r\n`,
      ),
    () => post('Transfer-Encoding: gzip, identity'),
    () => post(`X: ${'y'.repeat(random.pick([100, 20_000, 200_000]))}`),
    () => post(Array.from({ length: 3_000 }, (_, i) => `x${i}: 1`).join('\r\n')),
    () => [
      `${random.pick(['BREW', 'get', '', 'GET\0', 'G'.repeat(1_000)])} /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ],
    () => [
      `GET ${random.pick(['', 'x', '//', 'http://[', '/api/%zz', `/${'a'.repeat(30_000)}`, '/api/\u00e9', '/\0'])} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ],
    () => [`GET /api/health ${random.pick(['HTTP/0.9', 'HTTP/2.0', 'HTTP/1.1x', ''])}\r\n\r\n`],
    () => [`GET /api/health HTTP/1.1\r\n${random.pick(['Host x', ': x', 'Host: x\n', 'A\0: b', ' folded'])}\r\n\r\n`],
    () => [Buffer.from(Array.from({ length: random.integer(1, 2_000) }, () => random.integer(0, 255)))],
    () => Array.from({ length: 50 }, () => 'GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  ])();
}
