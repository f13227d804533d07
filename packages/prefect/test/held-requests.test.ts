/** Increments that wait, over real connections. */
import { randomUUID } from 'node:crypto';
import { HOLD_BACK_MS } from '@slotkeeper/engine';
import { MemoryStore } from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { type Answer, ApiServer, type Connection } from './prefect-server.ts';

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());
const taken = (answer: Answer): unknown => (answer.body as { name: string }[]).map(({ name }) => name);

/** A task run asks over a connection of its own, and is in the line when this resolves. */
async function wait(server: ApiServer, taskRunId: string, ...tags: string[]) {
  const connection = server.connect();
  const before = server.waiters(tags[0]!, { connected: true }).length;
  const answer = connection.increment(taskRunId, ...tags);
  await server.until(() => server.waiters(tags[0]!, { connected: true }).length > before);
  return { connection, answer };
}

/** The server has seen that the connection has ended. */
async function gone(server: ApiServer, end: () => void): Promise<void> {
  const before = server.connections;
  end();
  await server.until(() => server.connections < before);
}

const reset = (connection: Connection) => (): void => {
  connection.socket?.resetAndDestroy();
};

describe('an increment that may not even wait', () => {
  it('is told so in words for its user, and to ask again', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    server.replica.submit({ type: 'limit.set', name: 'tag:t', id: '', patch: { maxWaiters: 1 } });
    const [a = '', b = '', c = ''] = ids(3);
    await server.connect().increment(a, 't');
    await wait(server, b, 't');
    const detail = "The wait queue for 'tag:t' is full: 1 at the most. Nothing was taken; the client asks again.";
    const tag = await server.connect().increment(c, 't');
    expect([tag.status, tag.headers['retry-after'], tag.body]).toEqual([423, '2', { detail }]);
    const global = await server.connect().take('increment', ['tag:t'], 1);
    expect([global.status, global.headers['retry-after'], global.body]).toEqual([423, '2', { detail }]);
  });
});

describe('an increment that does not fit', () => {
  it('is answered when the slot is released, in its turn', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = '', c = ''] = ids(3);
    await server.connect().increment(a, 't');
    const second = await wait(server, b, 't');
    const third = await wait(server, c, 't');
    expect(server.waiters('t')).toEqual([b, c]);

    await server.connect().decrement(a, 't');
    const answer = await second.answer;
    expect([answer.status, taken(answer)]).toEqual([200, ['t']]);
    expect([server.holders('t'), server.waiters('t')]).toEqual([[b], [c]]);

    await second.connection.decrement(b, 't');
    expect((await third.answer).status).toBe(200);
  });

  it('is told the limit as it is when it is granted', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 't');
    const waiting = await wait(server, b, 't');
    await server.limit('t', 2);
    expect((await waiting.answer).body).toMatchObject([{ name: 't', limit: 2 }]);
  });

  it('takes its slots of all limits or of none', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    await server.limit('y', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 'y');
    const both = await wait(server, b, 'x', 'y');
    expect(server.holders('x')).toEqual([]);
    await server.connect().decrement(a, 'y');
    expect(taken(await both.answer)).toEqual(['x', 'y']);
  });

  it('leaves the line at once when its connection closes', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = '', c = ''] = ids(3);
    await server.connect().increment(a, 't');
    const leaving = await wait(server, b, 't');
    const staying = await wait(server, c, 't');
    const failed = expect(leaving.answer).rejects.toThrow();
    leaving.connection.end();
    await failed;
    await server.until(() => server.waiters('t').length === 1);
    await server.connect().decrement(a, 't');
    expect((await staying.answer).status).toBe(200);
    expect(server.holders('t')).toEqual([c]);
  });

  it('is sent away when the hold is over, and finds its place when it comes back', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = '', c = ''] = ids(3);
    await server.connect().increment(a, 't');
    const first = await wait(server, b, 't');
    await server.time.pass(15_000);
    const other = await wait(server, c, 't');
    await server.time.pass(5_000);
    const answer = await first.answer;
    expect(answer.status).toBe(423);
    expect(answer.body).toEqual({ detail: 'Concurrency limit for the t tag has been reached' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(0.5);

    const again = await wait(server, b, 't');
    expect(server.waiters('t')).toEqual([b, c]);
    await server.connect().decrement(a, 't');
    expect((await again.answer).status).toBe(200);
    expect(server.waiters('t')).toEqual([c]);
    await server.connect().decrement(b, 't');
    await other.answer;
  });

  it('keeps nobody waiting while it is away', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = '', c = ''] = ids(3);
    await server.connect().increment(a, 't');
    const away = await wait(server, b, 't');
    await server.time.pass(20_000);
    await away.answer;
    const other = await wait(server, c, 't');
    await server.connect().decrement(a, 't');
    expect((await other.answer).status).toBe(200);
  });

  it('gives its place to its repeat, and is sent away', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = '', c = ''] = ids(3);
    await server.connect().increment(a, 't');
    const older = await wait(server, b, 't');
    const other = await wait(server, c, 't');
    const repeat = server.connect().increment(b, 't');
    const sentAway = await older.answer;
    expect(sentAway.status).toBe(423);
    expect(Number(sentAway.headers['retry-after'])).toBeLessThanOrEqual(0.5);
    expect(server.waiters('t')).toEqual([b, c]);

    await gone(server, () => older.connection.end());
    await server.connect().decrement(a, 't');
    expect((await repeat).status).toBe(200);
    await server.connect().decrement(b, 't');
    expect((await other.answer).status).toBe(200);
  });

  it('names the same tags in any order as it repeats', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    await server.limit('y', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 'x');
    const older = await wait(server, b, 'x', 'y');
    const repeat = server.connect().increment(b.toUpperCase(), 'y', 'x', 'y');
    expect((await older.answer).status).toBe(423);
    await server.connect().decrement(a, 'x');
    expect(taken(await repeat)).toEqual(['y', 'x']);
  });

  it('is told that it never fits when the limit is lowered to 0', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 't');
    const waiting = await wait(server, b, 't');
    await server.limit('t', 0);
    const answer = await waiting.answer;
    expect(answer.status).toBe(423);
    expect(answer.headers['retry-after']).toBeUndefined();
    expect(answer.body).toEqual({
      detail: 'The concurrency limit on tag "t" is 0 and will deadlock if the task tries to run again.',
    });
  });

  it('is limited by nothing once its limit is deleted, and leaves nothing behind', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 't');
    const waiting = await wait(server, b, 't');
    await server.connect().ask('DELETE', '/concurrency_limits/tag/t');
    expect((await waiting.answer).body).toEqual([]);
    expect(server.replica.engine.state.leases.size).toBe(0);
  });

  it('is to be asked again elsewhere when the server stops', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 't');
    const waiting = await wait(server, b, 't');
    const closing = server.close();
    expect((await waiting.answer).status).toBe(503);
    await closing;
  });
});

describe('a grant', () => {
  it('that its client did not read goes back, for the next in line', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    const lost = server.connect();
    await lost.increment(a, 't');
    const next = await wait(server, b, 't');
    await gone(server, reset(lost));
    expect(server.holders('t')).toEqual([a]);
    await server.time.pass(3_000);
    expect((await next.answer).status).toBe(200);
    expect(server.holders('t')).toEqual([b]);
  });

  it('whose client closes with the answer unread goes back as well', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = ''] = ids(1);
    const deaf = server.connectDeaf();
    const before = server.answered;
    const body = JSON.stringify({ names: ['t'], task_run_id: a });
    deaf.write(
      `POST /api/concurrency_limits/increment HTTP/1.1\r\nHost: t\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await server.until(() => server.answered > before);
    await gone(server, () => deaf.destroy());
    expect(server.holders('t')).toEqual([a]);
    await server.time.pass(3_000);
    expect(server.holders('t')).toEqual([]);
  });

  it('that its client did not read is what a repeat gets', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 2);
    const [a = ''] = ids(1);
    const lost = server.connect();
    const granted = await lost.increment(a, 't');
    await gone(server, reset(lost));
    const repeated = await server.connect().increment(a, 't');
    expect(repeated.body).toEqual(granted.body);
    await server.time.pass(10_000);
    expect(server.holders('t')).toEqual([a]);
  });

  it('that is lost while its repeat stands in line already is what the repeat gets', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    const lost = server.connect();
    await lost.increment(a, 't');
    const other = await wait(server, b, 't');
    const repeat = await wait(server, a, 't');
    lost.socket?.resetAndDestroy();
    expect((await repeat.answer).status).toBe(200);
    expect([server.holders('t'), server.waiters('t')]).toEqual([[a], [b]]);
    await server.connect().decrement(a, 't');
    await other.answer;
  });

  it('whose connection ended right after it is what a repeat gets, and stays without one', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 2);
    const [a = ''] = ids(1);
    const ended = server.connect();
    await ended.increment(a, 't');
    await server.time.pass(900);
    await gone(server, () => ended.end());
    await server.time.pass(10_000);
    expect(server.holders('t')).toEqual([a]);
    expect((await server.connect().increment(a, 't')).status).toBe(200);
    expect(server.holders('t')).toEqual([a]);
  });

  it('that has been released is not what a repeat gets', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 2);
    const [a = ''] = ids(1);
    const ended = server.connect();
    await ended.increment(a, 't');
    const [first] = server.replica.engine.state.leases.values();
    await gone(server, () => ended.end());
    await server.connect().decrement(a, 't');
    await server.connect().increment(a, 't');
    const [second, ...more] = server.replica.engine.state.leases.values();
    expect(second!.id).not.toBe(first!.id);
    expect(more).toEqual([]);
  });

  for (const [how, arrive] of [
    ['whose connection stays open', async () => {}],
    [
      'whose connection ended a second after it',
      async (server: ApiServer, connection: Connection) => {
        await server.time.pass(1_000);
        await gone(server, () => connection.end());
      },
    ],
    [
      'after which its client asked something else',
      async (server: ApiServer, connection: Connection) => {
        await connection.ask('GET', '/health');
        await gone(server, reset(connection));
        await server.time.pass(10_000);
      },
    ],
    [
      'after which its client sent a request that this API does not answer',
      async (server: ApiServer, connection: Connection) => {
        await connection.ask('GET', '/flows/passed-on');
        await gone(server, reset(connection));
        await server.time.pass(10_000);
      },
    ],
  ] as const) {
    it(`${how} has arrived: the same increment again is another one`, async () => {
      const server = await ApiServer.start();
      await server.limit('t', 2);
      const [a = ''] = ids(1);
      const connection = server.connect();
      await connection.increment(a, 't');
      await arrive(server, connection);
      await server.connect().increment(a, 't');
      expect(server.holders('t')).toEqual([a, a]);
    });
  }

  it('of before a restart is what the same increment gets, once', async () => {
    const store = new MemoryStore();
    const before = await ApiServer.start({ store });
    await before.limit('t', 2);
    const [a = '', b = ''] = ids(2);
    const granted = await before.connect().increment(a, 't', 'unknown');
    await before.close();

    const server = await ApiServer.start({ store });
    await server.time.pass(HOLD_BACK_MS);
    const repeated = await server.connect().increment(a, 't', 'unknown');
    expect(repeated.body).toEqual(granted.body);
    expect(server.holders('t')).toEqual([a]);
    await server.connect().increment(a, 't', 'unknown');
    expect(server.holders('t')).toEqual([a, a]);
    const other = await wait(server, b, 't');
    await server.connect().decrement(a, 't');
    await other.answer;
  });

  it('has the time to live that the server was told', async () => {
    const server = await ApiServer.start({ v1LeaseSeconds: 3_600 });
    await server.limit('t', 1);
    await server.connect().increment(randomUUID(), 't');
    expect([...server.replica.engine.state.leases.values()]).toMatchObject([{ lifeline: 'renewal', ttlMs: 3_600_000 }]);
  });
});

describe('a native holder and one over Prefect’s API', () => {
  it('compete for the same slots', async () => {
    const server = await ApiServer.start();
    await server.limit('t', 1);
    const [session = '', first = '', second = '', a = ''] = ids(4);
    const holder = { type: null, id: 'native', label: null, host: null, pid: null };
    const acquire = (lease: string) =>
      ({
        type: 'acquire',
        sessionId: session,
        request: {
          leaseId: lease,
          amounts: [['tag:t', 1]],
          timeoutMs: null,
          priority: 0,
          holder,
          onMissing: 'error',
          place: null,
          ratesOnly: false,
          refunds: false,
          skipInactive: false,
          limitIds: [],
        },
      }) as const;
    const open = { type: 'session.open', sessionId: session, connection: 1, lifeline: 'process', ttlMs: null } as const;
    server.replica.submit({ ...open, leases: [], waits: [], origin: 'session' });
    server.replica.submit(acquire(first));
    const waiting = await wait(server, a, 't');
    server.replica.submit(acquire(second));
    expect([server.holders('t'), server.waiters('t')]).toEqual([['native'], [a, 'native']]);

    server.replica.submit({ type: 'cancel', sessionId: session, leaseId: first });
    expect((await waiting.answer).status).toBe(200);
    expect([server.holders('t'), server.waiters('t')]).toEqual([[a], ['native']]);

    await server.connect().decrement(a, 't');
    expect([server.holders('t'), server.waiters('t')]).toEqual([['native'], []]);
  });
});
