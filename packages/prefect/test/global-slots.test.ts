/** Slots of global limits: taken and given back over v2, with a lease or without, and beside v1 and native clients. */
import { randomUUID } from 'node:crypto';
import { HOLD_BACK_MS } from '@slotkeeper/engine';
import { MemoryStore } from '@slotkeeper/journal';
import { describe, expect, it } from 'vitest';
import { type Answer, ApiServer, type AskOptions, type Connection } from './prefect-server.ts';

const PATH = '/v2/concurrency_limits';
const namesOf = (answer: Answer): unknown => (answer.body as { name: string }[]).map(({ name }) => name);
const leaseOf = ({ body }: Answer): string => (body as { lease_id: string }).lease_id;
const renew = (connection: Connection, lease: string, seconds = 60) =>
  connection.post(`${PATH}/leases/${lease}/renew`, { lease_duration: seconds });
const release = (connection: Connection, lease: string) =>
  connection.post(`${PATH}/decrement-with-lease`, { lease_id: lease });

/** Asks over a connection of its own, and is in the line when this resolves. */
async function wait(
  server: ApiServer,
  how: 'increment' | 'increment-with-lease',
  names: string[],
  slots = 1,
  more = {},
) {
  const connection = server.connect();
  const before = server.held;
  const answer = connection.take(how, names, slots, more);
  await server.until(() => server.held > before);
  return { connection, answer };
}

describe('an increment without a lease', () => {
  it('takes its slots of all limits or of none, until they are given back', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 3);
    await server.globalLimit('y', 3);
    const connection = server.connect();
    expect(namesOf(await connection.take('increment', ['y', 'x', 'y', 'unknown'], 2))).toEqual(['x', 'y']);
    expect([await server.activeSlots('x'), await server.activeSlots('y')]).toEqual([2, 2]);
    const waiting = await wait(server, 'increment', ['x'], 2);
    await connection.giveBack(['x', 'unknown'], 1);
    expect(namesOf(await waiting.answer)).toEqual(['x']);
    expect([await server.activeSlots('x'), await server.activeSlots('y')]).toEqual([3, 2]);
  });

  it('may be given back by anybody, and never more than was taken', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 5);
    await server.connect().take('increment', ['x'], 3);
    expect(namesOf(await server.connect().giveBack(['x'], 2))).toEqual(['x']);
    expect(await server.activeSlots('x')).toBe(1);
    await server.connect().giveBack(['x'], 100);
    await server.connect().giveBack(['x'], 100);
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('lasts when its client goes away after it has read the answer', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const connection = server.connect();
    await connection.take('increment', ['x'], 1);
    await server.gone(() => connection.end());
    await server.time.pass(3_600_000);
    expect(await server.activeSlots('x')).toBe(1);
    await server.connect().giveBack(['x'], 1);
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('goes back at once when its client has not read the answer', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const connection = server.connect();
    await connection.take('increment', ['x'], 1);
    const waiting = await wait(server, 'increment', ['x']);
    await server.gone(() => connection.socket?.resetAndDestroy());
    expect((await waiting.answer).status).toBe(200);
    expect(await server.activeSlots('x')).toBe(1);
  });

  it('has arrived when its client asks something else', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const connection = server.connect();
    await connection.take('increment', ['x'], 1);
    await connection.ask('GET', '/health');
    await server.gone(() => connection.socket?.resetAndDestroy());
    expect(await server.activeSlots('x')).toBe(1);
  });

  it('has arrived two minutes after its answer was written', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const connection = server.connect();
    await connection.take('increment', ['x'], 1);
    await server.time.pass(120_000);
    await server.gone(() => connection.socket?.resetAndDestroy());
    expect(await server.activeSlots('x')).toBe(1);
  });

  it('has arrived when as many slots are given back over another connection', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 2);
    const connections = [server.connect(), server.connect()];
    for (const connection of connections) await connection.take('increment', ['x'], 1);
    await server.connect().giveBack(['x'], 1);
    expect(await server.activeSlots('x')).toBe(1);
    // The other one is still in doubt.
    await server.gone(() => connections[1]?.socket?.resetAndDestroy());
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('leaves no lease behind', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 5);
    const connection = server.connect();
    await connection.take('increment', ['x'], 1);
    await connection.take('increment', ['unknown'], 1);
    await connection.take('increment', [], 1);
    await connection.ask('GET', '/health');
    expect(server.replica.engine.state.leases.size).toBe(0);
  });

  it('of before a restart stays taken, for nobody knows whose it is', async () => {
    const store = new MemoryStore();
    const before = await ApiServer.start({ store });
    await before.globalLimit('x', 2);
    await before.connect().take('increment', ['x'], 1);
    await before.close();

    const server = await ApiServer.start({ store });
    await server.time.pass(HOLD_BACK_MS);
    expect((await server.connect().take('increment', ['x'], 1)).status).toBe(200);
    expect(await server.activeSlots('x')).toBe(2);
    await server.connect().giveBack(['x'], 2);
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('keeps its place over its connection when the hold is over', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1, { active_slots: 1 });
    const first = await wait(server, 'increment', ['x']);
    await server.time.pass(15_000);
    const second = await wait(server, 'increment', ['x']);
    await server.time.pass(5_000);
    const sentAway = await first.answer;
    expect([sentAway.status, sentAway.body]).toEqual([423, { detail: 'Locked' }]);
    expect(Number(sentAway.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(sentAway.headers['retry-after'])).toBeLessThanOrEqual(0.5);
    const again = first.connection.take('increment', ['x'], 1);
    await server.until(() => server.held === 2);
    await server.connect().giveBack(['x'], 1);
    expect((await again).status).toBe(200);
    await server.connect().giveBack(['x'], 1);
    expect((await second.answer).status).toBe(200);
  });

  it('leaves the line at once when its connection closes', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1, { active_slots: 1 });
    const leaving = await wait(server, 'increment', ['x']);
    const failed = expect(leaving.answer).rejects.toThrow();
    leaving.connection.end();
    await failed;
    await server.until(() => server.held === 0);
    await server.connect().giveBack(['x'], 1);
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('has arrived with the next request, also where several were sent at once', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 9);
    const socket = server.connectDeaf();
    const increment = (slots: number): string => {
      const body = JSON.stringify({ names: ['x'], slots });
      return `POST /api${PATH}/increment HTTP/1.1\r\nHost: t\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const before = server.answered;
    socket.write(increment(1) + increment(2) + increment(3));
    await server.until(() => server.answered === before + 3);
    const taken = (): unknown[] =>
      [...server.replica.engine.state.limits.values()].map((x) => [x.usage.taken, x.usage.held]);
    expect(taken()).toEqual([[6, 6]]);
    socket.write('GET /api/health HTTP/1.1\r\nHost: t\r\n\r\n');
    await server.until(() => server.answered === before + 4);
    expect(taken()).toEqual([[6, 0]]);
    await server.gone(() => socket.destroy());
  });
});

describe('an increment with a lease', () => {
  it('is freed by its lease, and by nothing that has none', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 2);
    const connection = server.connect();
    const lease = leaseOf(await connection.take('increment-with-lease', ['x'], 2));
    await connection.giveBack(['x'], 2);
    expect(await server.activeSlots('x')).toBe(2);
    expect((await release(connection, lease.toUpperCase())).status).toBe(204);
    expect(await server.activeSlots('x')).toBe(0);
    expect([(await release(connection, lease)).status, (await renew(connection, lease)).status]).toEqual([204, 410]);
  });

  it('lasts as long as it is renewed, and is free at the moment at which it expires', async () => {
    const server = await ApiServer.start({ holdSeconds: 100 });
    await server.globalLimit('x', 1);
    const connection = server.connect();
    const lease = leaseOf(await connection.take('increment-with-lease', ['x'], 1, { lease_duration: 60 }));
    await server.time.pass(59_000);
    expect((await renew(connection, lease)).status).toBe(204);
    const waiting = await wait(server, 'increment-with-lease', ['x']);
    await server.time.pass(59_999);
    expect(server.held).toBe(1);
    await server.time.pass(1);
    expect((await waiting.answer).status).toBe(200);
    expect((await renew(connection, lease)).status).toBe(410);
  });

  it('that has expired is renewed if nobody has taken its slots', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const connection = server.connect();
    const id = randomUUID();
    const holder = { type: 'task_run', id };
    const answer = await connection.take('increment-with-lease', ['tag:x'], 1, { lease_duration: 60, holder });
    const shown = async () => {
      const { body } = await connection.ask('GET', '/concurrency_limits/tag/x');
      return [(body as { active_slots: string[] }).active_slots, await server.activeSlots('tag:x')];
    };
    expect(await shown()).toEqual([[id], 1]);
    await server.time.pass(60_000);
    expect(await shown()).toEqual([[], 0]);
    expect((await renew(connection, leaseOf(answer))).status).toBe(204);
    expect(await shown()).toEqual([[id], 1]);
  });

  it('that has expired is gone once somebody has taken its slots', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const connection = server.connect();
    const lease = leaseOf(await connection.take('increment-with-lease', ['x'], 1, { lease_duration: 60 }));
    await server.time.pass(60_000);
    expect((await server.connect().take('increment', ['x'], 1)).status).toBe(200);
    expect((await renew(connection, lease)).status).toBe(410);
    expect(await server.activeSlots('x')).toBe(1);
  });

  it('that has expired is gone while somebody waits for what it held', async () => {
    const server = await ApiServer.start({ holdSeconds: 100 });
    await server.globalLimit('x', 2, { active_slots: 1 });
    const connection = server.connect();
    const lease = leaseOf(await connection.take('increment-with-lease', ['x'], 1, { lease_duration: 60 }));
    const waiting = await wait(server, 'increment', ['x'], 2);
    await server.time.pass(60_000);
    expect((await renew(connection, lease)).status).toBe(410);
    await connection.giveBack(['x'], 1);
    expect((await waiting.answer).status).toBe(200);
  });

  it('on names that no limit has is one on nothing', async () => {
    const server = await ApiServer.start();
    const connection = server.connect();
    const granted = await connection.take('increment-with-lease', ['unknown'], 1, { lease_duration: 60 });
    expect(granted.body).toEqual({ lease_id: expect.any(String), limits: [] });
    const lease = leaseOf(granted);
    expect((await renew(connection, lease)).status).toBe(204);
    await server.time.pass(3_600_000);
    expect((await renew(connection, lease)).status).toBe(410);
    expect(server.replica.engine.state.leases.size).toBe(0);
  });

  it('is answered with the same lease when it is repeated and its answer has not arrived', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 2);
    const holder = { type: 'flow_run', id: randomUUID() };
    const lost = server.connect();
    const granted = await lost.take('increment-with-lease', ['x'], 1, { holder });
    await server.gone(() => lost.socket?.resetAndDestroy());
    const other = { holder: { ...holder, type: 'deployment' } };
    expect(leaseOf(await server.connect().take('increment-with-lease', ['x'], 1, other))).not.toBe(leaseOf(granted));
    const repeated = await server.connect().take('increment-with-lease', ['x'], 1, { holder });
    expect(repeated.body).toEqual(granted.body);
    await server.time.pass(10_000);
    expect(await server.activeSlots('x')).toBe(2);
  });

  it('goes back at once when its answer has not arrived and its client has no name', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const lost = server.connect();
    await lost.take('increment-with-lease', ['x'], 1);
    await server.gone(() => lost.socket?.resetAndDestroy());
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('gives its place to its repeat by the same holder for the same, and to no other', async () => {
    const server = await ApiServer.start();
    for (const name of ['x', 'y']) await server.globalLimit(name, 3, { active_slots: 3 });
    const holder = { type: 'deployment', id: randomUUID() };
    const older = await wait(server, 'increment-with-lease', ['x', 'y'], 1, { holder });
    const others = [
      await wait(server, 'increment-with-lease', ['x', 'y'], 2, { holder }),
      await wait(server, 'increment-with-lease', ['x'], 1, { holder }),
    ];
    const repeat = server.connect().take('increment-with-lease', ['y', 'x'], 1, { holder, lease_duration: 400 });
    expect([(await older.answer).status, server.held]).toEqual([423, 3]);
    await server.connect().giveBack(['x', 'y'], 1);
    expect((await repeat).status).toBe(200);
    await server.connect().giveBack(['x', 'y'], 2);
    expect((await others[0]?.answer)?.status).toBe(200);
    await server.connect().ask('PATCH', `${PATH}/x`, { body: { limit: 4 } });
    expect((await others[1]?.answer)?.status).toBe(200);
  });

  for (const [how, end] of [
    ['ended in order right after the answer', (connection: Connection) => connection.end()],
    ['was reset', (connection: Connection) => connection.socket?.resetAndDestroy()],
  ] as const) {
    it(`has arrived with its renewal, though its connection ${how}`, async () => {
      const server = await ApiServer.start();
      await server.globalLimit('x', 2);
      const holder = { type: 'flow_run', id: randomUUID() };
      const asker = server.connect();
      const first = leaseOf(await asker.take('increment-with-lease', ['x'], 1, { holder }));
      await server.gone(() => end(asker));
      expect((await renew(server.connect(), first)).status).toBe(204);
      const second = leaseOf(await server.connect().take('increment-with-lease', ['x'], 1, { holder }));
      expect(second).not.toBe(first);
      await server.time.pass(10_000);
      expect(await server.activeSlots('x')).toBe(2);
    });
  }

  it('of before a restart that has been renewed since is not what its holder gets again', async () => {
    const store = new MemoryStore();
    const before = await ApiServer.start({ store });
    await before.globalLimit('x', 5);
    const holder = { type: 'flow_run', id: randomUUID() };
    const first = leaseOf(await before.connect().take('increment-with-lease', ['x'], 1, { holder }));
    await before.close();

    const server = await ApiServer.start({ store });
    await server.time.pass(HOLD_BACK_MS);
    expect((await renew(server.connect(), first)).status).toBe(204);
    const second = await server.connect().take('increment-with-lease', ['x'], 1, { holder });
    expect(leaseOf(second)).not.toBe(first);
    expect(await server.activeSlots('x')).toBe(2);
  });

  it('of before a restart is what its holder gets again, once', async () => {
    const store = new MemoryStore();
    const before = await ApiServer.start({ store });
    await before.globalLimit('x', 5);
    const holder = { type: 'task_run', id: randomUUID() };
    const granted = await before.connect().take('increment-with-lease', ['x'], 1, { holder });
    await before.close();

    const server = await ApiServer.start({ store });
    await server.time.pass(HOLD_BACK_MS);
    const ask = async (slots: number, type = 'task_run') => {
      const by = { holder: { ...holder, type } };
      return leaseOf(await server.connect().take('increment-with-lease', ['x'], slots, by));
    };
    expect([await ask(2), await ask(1, 'flow_run')]).not.toContain(leaseOf(granted));
    expect(await ask(1)).toBe(leaseOf(granted));
    expect(await server.activeSlots('x')).toBe(4);
  });

  it('is of no use to those who know a lease of another API', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const connection = server.connect();
    await connection.increment(randomUUID(), 'x');
    const [{ id: lease } = { id: '' }] = server.replica.engine.state.leases.values();
    expect([(await renew(connection, lease)).status, (await release(connection, lease)).status]).toEqual([410, 204]);
    expect(await server.activeSlots('tag:x')).toBe(1);
  });
});

describe('a limit that is switched off', () => {
  it('limits nothing, and is listed', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('off', 1, { active: false });
    await server.globalLimit('on', 9);
    const connection = server.connect();
    expect(namesOf(await connection.take('increment', ['on', 'off'], 9))).toEqual(['off', 'on']);
    const leased = await connection.take('increment-with-lease', ['off'], 5);
    expect(leased.body).toMatchObject({ limits: [{ name: 'off', limit: 1 }] });
    expect(await server.activeSlots('off')).toBe(0);
  });

  it('counts what is given back meanwhile', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 3);
    const connection = server.connect();
    const lease = leaseOf(await connection.take('increment-with-lease', ['x'], 2));
    await connection.take('increment', ['x'], 1);
    const set = (active: boolean): Promise<Answer> => connection.ask('PATCH', `${PATH}/x`, { body: { active } });
    await set(false);
    const taken = leaseOf(await connection.take('increment-with-lease', ['x'], 3));
    await release(connection, lease);
    await set(true);
    expect(await server.activeSlots('x')).toBe(1);
    await release(connection, taken);
    expect(await server.activeSlots('x')).toBe(1);
  });
});

describe('a rate', () => {
  const rateLimit = (connection: Connection, name: string, slots = 1): Promise<Answer> =>
    connection.take('increment', [name], slots, { mode: 'rate_limit' });

  it('grants forty of ten and one a second in thirty seconds of a try every half second', async () => {
    const server = await ApiServer.start({ holdSeconds: 0 });
    await server.globalLimit('x', 10, { slot_decay_per_second: 1 });
    const connection = server.connect();
    let granted = 0;
    for (let tries = 0; tries < 61; tries += 1) {
      const before = server.answered;
      const asked = rateLimit(connection, 'x');
      await server.until(() => server.held > 0 || server.answered > before);
      await server.time.pass(0);
      if ((await asked).status === 200) granted += 1;
      await server.time.pass(500);
    }
    expect(granted).toBe(40);
  });

  it('lets those who wait go on at the moment at which they fit', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 2, { slot_decay_per_second: 0.5 });
    const connection = server.connect();
    await rateLimit(connection, 'x', 2);
    const waiting = await wait(server, 'increment', ['x'], 1, { mode: 'rate_limit' });
    await server.time.pass(1_999);
    expect(server.held).toBe(1);
    await server.time.pass(1);
    expect((await waiting.answer).status).toBe(200);
    expect(await server.activeSlots('x')).toBe(2);
  });

  it('is shown rounded up, and falls whoever reads', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 10, { slot_decay_per_second: 2 });
    await rateLimit(server.connect(), 'x', 10);
    const seen: number[] = [];
    for (let tick = 0; tick < 6; tick += 1) {
      await server.time.pass(250);
      seen.push(await server.activeSlots('x'));
    }
    expect(seen).toEqual([10, 9, 9, 8, 8, 7]);
  });

  it('gives back what a lease holds of it, as far as it has not come back by itself', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 4, { slot_decay_per_second: 1 });
    const connection = server.connect();
    const lease = leaseOf(await connection.take('increment-with-lease', ['x'], 3));
    await rateLimit(connection, 'x', 1);
    await server.time.pass(2_000);
    expect(await server.activeSlots('x')).toBe(2);
    await release(connection, lease);
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('is free of what an expired lease held of it, as far as it has not come back by itself', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 4, { slot_decay_per_second: 0.02 });
    const connection = server.connect();
    await connection.take('increment-with-lease', ['x'], 3, { lease_duration: 60 });
    await server.time.pass(59_999);
    expect(await server.activeSlots('x')).toBe(2);
    await server.time.pass(1);
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('is refused where a limit of the names has no decay', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 4);
    await server.globalLimit('rate', 4, { slot_decay_per_second: 1 });
    await server.globalLimit('off', 1, { active: false });
    const take = (names: string[], slots = 1) =>
      server.connect().take('increment-with-lease', names, slots, { mode: 'rate_limit' });
    const refused = await take(['rate', 'x', 'off']);
    const detail =
      "Only concurrency limits with slot decay can be used for rate limiting. The following limits do not have a decay configured: 'x'";
    expect([refused.status, refused.body]).toEqual([422, { detail }]);
    expect((await take(['rate', 'off'])).status).toBe(200);
    // More than there is comes first.
    expect((await take(['x'], 5)).body).toEqual({ detail: 'Slots requested is greater than the limit' });
    expect(await server.activeSlots('rate')).toBe(1);
  });

  it('that becomes none while one waits for it tells so', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1, { slot_decay_per_second: 0.01, active_slots: 1 });
    const waiting = await wait(server, 'increment', ['x'], 1, { mode: 'rate_limit' });
    await server.connect().ask('PATCH', `${PATH}/x`, { body: { slot_decay_per_second: 0 } });
    expect(await waiting.answer).toMatchObject({ status: 422, body: { detail: expect.stringContaining("'x'") } });
  });
});

describe('a tag limit', () => {
  it('shows the task runs that hold it over v2, and v1 frees them', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 3);
    await server.globalLimit('y', 3);
    const [a, b] = [randomUUID(), randomUUID()];
    const connection = server.connect();
    const task = await connection.take('increment-with-lease', ['tag:x', 'y'], 1, {
      holder: { type: 'task_run', id: a },
    });
    await connection.take('increment-with-lease', ['tag:x'], 1, { holder: { type: 'flow_run', id: b } });
    await connection.take('increment', ['tag:x'], 1);
    const shown = await connection.ask('GET', '/concurrency_limits/tag/x');
    expect(shown.body).toMatchObject({ active_slots: [a] });
    for (const id of [a, b]) await connection.decrement(id, 'x');
    expect([await server.activeSlots('tag:x'), await server.activeSlots('y')]).toEqual([2, 1]);
    expect((await renew(connection, leaseOf(task))).status).toBe(204);
  });

  it('is full for v1 when it is taken without a lease, and free after a reset', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const connection = server.connect();
    await connection.take('increment', ['tag:x'], 1);
    const waiting = server.connect().increment(randomUUID(), 'x');
    await server.until(() => server.held > 0);
    expect((await connection.ask('GET', '/concurrency_limits/tag/x')).body).toMatchObject({ active_slots: [] });
    await connection.post('/concurrency_limits/tag/x/reset', {});
    expect((await waiting).status).toBe(200);
    expect(await server.activeSlots('tag:x')).toBe(1);
  });

  it('serves v1 and v2 in the order in which they came', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const connection = server.connect();
    await connection.take('increment', ['tag:x'], 1);
    const order: string[] = [];
    const join = async (name: string, ask: (options?: AskOptions) => Promise<Answer>): Promise<void> => {
      const before = server.held;
      void ask().then(() => order.push(name));
      await server.until(() => server.held > before);
    };
    const [a, b] = [randomUUID(), randomUUID()];
    await join('v1', () => server.connect().increment(a, 'x'));
    await join('lease', () =>
      server.connect().take('increment-with-lease', ['tag:x'], 1, { holder: { type: 'task_run', id: b } }),
    );
    await join('bare', () => server.connect().take('increment', ['tag:x'], 1));
    await connection.giveBack(['tag:x'], 1);
    await server.until(() => server.held === 2);
    await connection.decrement(a, 'x');
    await server.until(() => server.held === 1);
    await connection.decrement(b, 'x');
    await server.until(() => server.held === 0);
    await connection.ask('GET', '/health');
    expect(order).toEqual(['v1', 'lease', 'bare']);
  });
});
