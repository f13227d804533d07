/** For any input: no 5xx, no half a change, and a refusal that names the field. */
import { randomUUID } from 'node:crypto';
import { canonical } from '@slotkeeper/engine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, ApiServer, type AskOptions, type Connection } from './prefect-server.ts';

const V1 = '/concurrency_limits';
const V2 = '/v2/concurrency_limits';
const taskRun = randomUUID();

interface Fault {
  readonly loc: readonly (string | number)[];
}

/** What the answer says is wrong, and where. */
function faultsOf({ body }: Answer): readonly Fault[] {
  return (body as { exception_detail?: readonly Fault[] }).exception_detail ?? [];
}

function namesField({ status, body }: Answer): boolean {
  if (status !== 422) return true;
  const faults = faultsOf({ body } as Answer);
  if (faults.length > 0) return faults.every(({ loc }) => ['body', 'path', 'query'].includes(String(loc[0])));
  return typeof (body as { detail?: unknown }).detail === 'string';
}

/** Limits, holders and usage: all that lasts, without positions and times. */
function lasting(server: ApiServer): unknown {
  return JSON.parse(canonical(server.replica.engine.state)).slice(2);
}

async function start() {
  const server = await ApiServer.start({ holdSeconds: 0 });
  await server.limit('t', 2);
  await server.globalLimit('x', 3);
  await server.globalLimit('rate', 3, { slot_decay_per_second: 0.001 });
  await server.globalLimit('off', 1, { active: false });
  return { server, connection: server.connect() };
}

/** One that would be held open is sent away at once. */
async function ask(server: ApiServer, connection: Connection, method: string, path: string, options: AskOptions) {
  const before = server.answered;
  const asked = connection.ask(method, path, options);
  asked.catch(() => undefined);
  await server.until(() => server.held > 0 || server.answered > before);
  await server.time.pass(0);
  return asked;
}

describe('a body with a bad', () => {
  const increment = { names: ['x'], slots: 1 };
  const lease = { ...increment, lease_duration: 60 };
  const calls = {
    create: ['POST', `${V2}/`, { name: 'new', limit: 1 }],
    change: ['PATCH', `${V2}/x`, { limit: 2, active_slots: 1 }],
    increment: ['POST', `${V2}/increment`, increment],
    'increment-with-lease': ['POST', `${V2}/increment-with-lease`, lease],
    decrement: ['POST', `${V2}/decrement`, increment],
    'v1 create': ['POST', `${V1}/`, { tag: 'new', concurrency_limit: 1 }],
    'v1 increment': ['POST', `${V1}/increment`, { names: ['t'], task_run_id: taskRun }],
    'v1 reset': ['POST', `${V1}/tag/t/reset`, { slot_override: [taskRun] }],
  } as const;
  const badNames: readonly unknown[] = [...'/%&><'].map((banned) => `a${banned}b`);
  const texts = [...badNames, 'a\0b', 'a\ud800', 'x'.repeat(256), 'x'.repeat(10_000), 7];
  const notNames = [['x', 7], ['x', null], ['x', ['y']], 'x', null];
  const notSlots = [0, -1, 1.5, 'x', null];
  const notCounts = [-1, 2 ** 31, 1e308, 0.5, 'x', null, []];
  const notDecays = [-1, 1e308, 2 ** 31, 1e-10, 'nan', 'inf', 'x', null];
  const bad: readonly (readonly [keyof typeof calls, field: string, values: readonly unknown[]])[] = [
    ['create', 'name', [...texts, '', null]],
    ['create', 'limit', notCounts],
    ['create', 'active_slots', notCounts],
    ['create', 'denied_slots', notCounts],
    ['create', 'slot_decay_per_second', notDecays],
    ['create', 'active', [2, 'perhaps', null]],
    ['create', 'created', ['now']],
    ['change', 'name', [...texts, '', null]],
    ['change', 'limit', notCounts],
    ['change', 'active_slots', notCounts],
    ['change', 'slot_decay_per_second', notDecays],
    ['change', 'avg_slot_occupancy_seconds', [1]],
    ['increment', 'names', notNames],
    ['increment', 'slots', notSlots],
    ['increment', 'mode', ['fast', 1]],
    ['increment-with-lease', 'names', notNames],
    ['increment-with-lease', 'slots', notSlots],
    ['increment-with-lease', 'lease_duration', [59, 59.999, 86_401, -1, 1e308, 'nan', 'x']],
    ['increment-with-lease', 'holder', ['x', {}, { type: 'thread', id: taskRun }, { type: 'task_run', id: 'x' }]],
    ['decrement', 'names', notNames],
    ['decrement', 'slots', notSlots],
    ['decrement', 'occupancy_seconds', [0, -1, 'x']],
    ['v1 create', 'tag', texts],
    ['v1 create', 'concurrency_limit', notCounts],
    ['v1 increment', 'names', notNames],
    ['v1 increment', 'task_run_id', ['x', null, 7]],
    ['v1 reset', 'slot_override', [['x'], 'x', [taskRun, null]]],
  ];

  it.each(bad)('field is refused by %s, which names %s and changes nothing', async (call, field, values) => {
    const { server, connection } = await start();
    const [method, path, body] = calls[call];
    const before = lasting(server);
    for (const value of values) {
      const answer = await connection.ask(method, path, { body: { ...body, [field]: value } });
      const locations = faultsOf(answer).map(({ loc }) => loc.slice(0, 2));
      expect([value, answer.status, locations]).toEqual([value, 422, locations.map(() => ['body', field])]);
      expect(locations).not.toEqual([]);
    }
    expect(lasting(server)).toEqual(before);
  });
});

describe('a body that', () => {
  it.each([
    ['is cut off', '{"names": ["x"], "slots":'],
    [
      'is nested deeper than anything that is asked',
      `{"names": ["x"], "slots": 1, "more": ${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    ],
  ])('%s is refused as malformed, with its text', async (_what, text) => {
    const { connection } = await start();
    const { status, body } = await connection.ask('POST', `${V2}/increment`, { bytes: Buffer.from(text) });
    expect(status).toBe(422);
    expect(body).toMatchObject({
      exception_detail: [{ type: 'json_invalid', loc: ['body'], msg: 'JSON decode error' }],
      request_body: text,
    });
  });
});

describe('a path with', () => {
  it.each(['a%2Fb', 'a%25b', 'a%00b', 'x'.repeat(256), '%ED%A0%80', '..', '%zz'])(
    'the name %s is refused or not found',
    async (name) => {
      const { server, connection } = await start();
      const before = lasting(server);
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const body = method === 'PATCH' ? { body: { limit: 1 } } : {};
        const { status } = await connection.ask(method, `${V2}/${name}`, body);
        expect([400, 404, 405, 422]).toContain(status);
      }
      expect(lasting(server)).toEqual(before);
    },
  );

  it('a lease that is no id is told so, beside what else is wrong', async () => {
    const { connection } = await start();
    const answer = await connection.post(`${V2}/leases/nope/renew`, { lease_duration: 59 });
    expect(answer.status).toBe(422);
    expect(faultsOf(answer).map(({ loc }) => loc)).toEqual([
      ['path', 'lease_id'],
      ['body', 'lease_duration'],
    ]);
  });
});

describe('any other input', () => {
  const uuids = [taskRun, taskRun.toUpperCase(), `{${taskRun}}`, `urn:uuid:${taskRun}`];
  const text = fc.constantFrom(
    ...['x', 't', 'rate', 'off', 'tag:t', 'unknown', 'increment', '', ' ', 'é', 'e\u0301', '👋', '\n', '?#+;:\\"'],
    ...['a/b', 'a%b', 'a&b', 'a\0b', 'a\ud800', 'x'.repeat(255), 'x'.repeat(256), '__proto__', 'constructor', ...uuids],
  );
  const number = fc.constantFrom(
    0,
    -0,
    1,
    2,
    3,
    60,
    0.5,
    -1,
    59,
    86_400,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 53,
    1e308,
    5e-324,
    1e-9,
  );
  const holder = fc.record(
    { type: fc.constantFrom('flow_run', 'task_run', 'deployment', 'x'), id: text, extra: number },
    { requiredKeys: [] },
  );
  const value = fc.oneof(
    { weight: 4, arbitrary: number },
    { weight: 4, arbitrary: text },
    { weight: 4, arbitrary: fc.array(text, { maxLength: 4 }) },
    holder,
    fc.constantFrom(null, true, false, 'rate_limit', 'concurrency', 'nan', '1_0', '2.0'),
    fc.array(text, { minLength: 65, maxLength: 100 }),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const names = fc.array(fc.constantFrom('x', 'rate', 'off', 'tag:t', 'unknown'), { maxLength: 3 });
  const tags = fc.array(fc.constantFrom('t', 'unknown'), { maxLength: 2 });
  const few = fc.constantFrom(1, 2, 3);
  const mode = fc.constantFrom('concurrency', 'rate_limit');
  const ids = fc.constantFrom(...uuids);
  const one = fc.constantFrom('x', 'rate', 'off', 'new', 'tag:t', 'increment').map((name) => `${V2}/${name}`);
  const settings = {
    name: fc.constantFrom('new', 'x', 'other'),
    limit: few,
    active: fc.boolean(),
    active_slots: fc.nat(4),
    slot_decay_per_second: fc.constantFrom(0, 0.001, 5),
  };
  const take = { names, slots: few, mode };
  const leased = {
    ...take,
    lease_duration: fc.constantFrom(60, 300),
    holder: fc.constantFrom({ type: 'task_run', id: taskRun }, null),
  };
  const calls: readonly (readonly [
    method: string,
    path: fc.Arbitrary<string>,
    body: Record<string, fc.Arbitrary<unknown>>,
  ])[] = [
    ['POST', fc.constant(`${V2}/`), settings],
    ['PATCH', one, settings],
    ['DELETE', one, {}],
    ['GET', one, {}],
    ['POST', fc.constant(`${V2}/filter`), { limit: fc.nat(200), offset: few }],
    ['POST', fc.constant(`${V2}/increment`), take],
    ['POST', fc.constant(`${V2}/increment-with-lease`), leased],
    ['POST', fc.constant(`${V2}/decrement`), { names, slots: few, occupancy_seconds: few }],
    ['POST', fc.constant(`${V2}/decrement-with-lease`), { lease_id: ids }],
    ['POST', ids.map((id) => `${V2}/leases/${encodeURIComponent(id)}/renew`), { lease_duration: fc.constant(60) }],
    ['POST', fc.constant(`${V1}/`), { tag: fc.constantFrom('t', 'u'), concurrency_limit: few }],
    ['POST', fc.constant(`${V1}/increment`), { names: tags, task_run_id: ids }],
    ['POST', fc.constant(`${V1}/decrement`), { names: tags, task_run_id: ids }],
    ['POST', fc.constant(`${V1}/tag/t/reset`), { slot_override: fc.array(ids, { maxLength: 3 }) }],
    ['DELETE', fc.constant(`${V1}/tag/u`), {}],
  ];
  const raw = ['', '{', '[', '{"a":1e999}', '{"limit":1e400,"name":"n"}', 'NaN', '"\\ud800"', '{"a":"\0"}', '\u00ff'];
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
    fc.constantFrom(...raw).map((text) => Buffer.from(text, 'latin1')),
    value.map((json) => Buffer.from(JSON.stringify(json))),
  );
  /** As it should be, with some of its fields as they should not be, or nothing like it. */
  const request = fc.constantFrom(...calls).chain(([method, path, shape]) => {
    const good = fc.record(shape);
    const spoilt = fc.dictionary(fc.constantFrom(...Object.keys(shape), 'extra', '__proto__'), value, { maxKeys: 2 });
    const mixed = fc.tuple(good, spoilt).map(([a, b]) => ({ ...a, ...b }));
    const segment = text.map((part) => `${V2}/${encodeURIComponent(part.toWellFormed())}`);
    return fc.record({
      method: fc.oneof({ weight: 9, arbitrary: fc.constant(method) }, fc.constantFrom('PUT', 'HEAD', 'GET', 'DELETE')),
      path: fc.oneof({ weight: 9, arbitrary: path }, segment),
      bytes: fc.oneof(
        { weight: 5, arbitrary: good.map((json) => Buffer.from(JSON.stringify(json))) },
        { weight: 5, arbitrary: mixed.map((json) => Buffer.from(JSON.stringify(json))) },
        junk,
      ),
      type: fc.oneof({ weight: 9, arbitrary: fc.constant('application/json') }, fc.constantFrom(null, 'text/plain')),
    });
  });

  it('is never a 5xx nor half a change, and leaves limits that can be read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 10, maxLength: 40 }), async (requests) => {
        const { server, connection } = await start();
        try {
          for (const { method, path, bytes, type } of requests) {
            await connection.ask('GET', '/health');
            const before = lasting(server);
            const headers = type ? { 'content-type': type } : {};
            const answer = await ask(server, connection, method, path, { bytes, headers });
            const what = `${method} ${path} ${bytes}: ${answer.status} ${answer.text}`;
            expect(answer.status, what).toBeLessThan(500);
            expect(namesField(answer), what).toBe(true);
            if (answer.status >= 400) expect(lasting(server), what).toEqual(before);
          }
          await expectReadable(connection);
        } finally {
          await server.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  async function expectReadable(connection: Connection): Promise<void> {
    const listed = await connection.post(`${V2}/filter`, {});
    expect(listed.status).toBe(200);
    for (const limit of listed.body as Record<string, unknown>[]) {
      const { limit: slots, active_slots: taken, slot_decay_per_second: decay } = limit;
      expect([slots, taken].every(Number.isSafeInteger), JSON.stringify(limit)).toBe(true);
      expect(Number.isFinite(decay), JSON.stringify(limit)).toBe(true);
    }
    expect((await connection.post(`${V1}/filter`, {})).status).toBe(200);
  }
});
