/** A program names what it has. Where a stock server lets it go on, so does this one. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Answer, ApiServer } from './prefect-server.ts';

const V2 = '/v2/concurrency_limits';
const names = ({ body }: Answer): unknown => (body as { name: string }[]).map(({ name }) => name);

/** No limit can have these: a slash as in team/etl, other banned characters, NUL, half a character, too long, empty. */
const impossible = [
  ...['/', '%', '&', '>', '<'].map((banned) => `a${banned}b`),
  ...['a\0b', 'a\ud800', 'x'.repeat(256), 'x'.repeat(10_000), ''],
];
const many = Array.from({ length: 1_000 }, (_, i) => `unknown${i}`);

async function start() {
  const server = await ApiServer.start({ holdSeconds: 0 });
  await server.limit('t', 2);
  await server.globalLimit('x', 2);
  return { server, connection: server.connect() };
}

describe.each([
  ['a name that no limit can have', impossible],
  ['more names without a limit than a lease can be on', many],
])('%s', (_what, others) => {
  it('is ignored by v1: the tags with a limit are taken and given back', async () => {
    const { server, connection } = await start();
    const id = randomUUID();
    for (const list of [[...others, 't'], ...others.slice(0, 10).map((name) => [name, 't'])]) {
      const taken = await connection.increment(id, ...list);
      expect([taken.status, names(taken)]).toEqual([200, ['t']]);
      expect(server.holders('t')).toEqual([id]);
      const given = await connection.decrement(id, ...list);
      expect([given.status, names(given)]).toEqual([200, ['t']]);
      expect(server.holders('t')).toEqual([]);
    }
    const alone = await connection.increment(id, ...others);
    expect([alone.status, alone.body]).toEqual([200, []]);
  });

  it('is ignored by v2, without a lease', async () => {
    const { server, connection } = await start();
    for (const list of [[...others, 'x'], ...others.slice(0, 10).map((name) => [name, 'x'])]) {
      const taken = await connection.take('increment', list, 2);
      expect([taken.status, names(taken)]).toEqual([200, ['x']]);
      expect(await server.activeSlots('x')).toBe(2);
      const given = await connection.giveBack(list, 2);
      expect([given.status, names(given)]).toEqual([200, ['x']]);
      expect(await server.activeSlots('x')).toBe(0);
    }
    expect((await connection.take('increment', others, 2)).body).toEqual([]);
  });

  it('is ignored by v2, with a lease, which is renewed', async () => {
    const { server, connection } = await start();
    for (const list of [[...others, 'x'], others, ...others.slice(0, 10).map((name) => [name])]) {
      const { status, body } = await connection.take('increment-with-lease', list, 2, { lease_duration: 60 });
      const { lease_id: id, limits } = body as { lease_id: string; limits: readonly unknown[] };
      expect([status, limits.length]).toEqual([200, list.includes('x') ? 1 : 0]);
      expect((await connection.post(`${V2}/leases/${id}/renew`, { lease_duration: 60 })).status).toBe(204);
      expect((await connection.post(`${V2}/decrement-with-lease`, { lease_id: id })).status).toBe(204);
    }
    expect(await server.activeSlots('x')).toBe(0);
  });
});

it('more limits than a lease can be on are refused, and nothing is taken', async () => {
  const { server, connection } = await start();
  const tags = Array.from({ length: 65 }, (_, i) => `t${i}`);
  for (const tag of tags) await server.limit(tag, 1);
  const { status, body } = await connection.increment(randomUUID(), ...tags);
  expect([status, body]).toEqual([422, { detail: expect.stringContaining('64 limits at the most, and 65') }]);
  expect(server.holders('t0')).toEqual([]);
});

it('more slots than any limit can have are too many for a limit, and nothing where there is none', async () => {
  const { server, connection } = await start();
  for (const slots of [2 ** 31, 1e308]) {
    for (const how of ['increment', 'increment-with-lease'] as const) {
      expect((await connection.take(how, ['unknown'], slots)).status).toBe(200);
      const tooMany = await connection.take(how, ['x'], slots);
      expect([tooMany.status, tooMany.body]).toEqual([422, { detail: 'Slots requested is greater than the limit' }]);
    }
    await connection.take('increment', ['x'], 2);
    expect((await connection.giveBack(['x'], slots)).status).toBe(200);
    expect(await server.activeSlots('x')).toBe(0);
  }
});

it('numbers and booleans are taken in all the forms that a stock server takes', async () => {
  const { server, connection } = await start();
  for (const slots of [true, '1', ' 1 ', '+1', '0_1', '1.0']) {
    const { status } = await connection.post(`${V2}/increment`, { names: ['x'], slots });
    expect([slots, status, await server.activeSlots('x')]).toEqual([slots, 200, 1]);
    await connection.giveBack(['x'], 1);
  }
  for (const [active, is] of [
    ['off', false],
    ['Yes', true],
    [0, false],
    [1, true],
  ] as const) {
    expect((await connection.ask('PATCH', `${V2}/x`, { body: { active } })).status).toBe(204);
    const { body } = await connection.ask('GET', `${V2}/x`);
    expect([active, body]).toMatchObject([active, { active: is }]);
  }
});

it('on a limit that is drained, v1 and v2 are told to ask again', async () => {
  const { server, connection } = await start();
  for (const name of ['x', 'tag:t'])
    server.replica.submit({ type: 'limit.set', name, id: '', patch: { mode: 'draining' } });
  for (const { status, headers } of [
    await connection.increment(randomUUID(), 't'),
    await connection.take('increment', ['x'], 1),
    await connection.take('increment-with-lease', ['x'], 1),
  ])
    expect([status, headers['retry-after']]).toEqual([423, '2']);
});
