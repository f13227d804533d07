import { randomUUID } from 'node:crypto';
import { type AcquireRequest, jsonCodec, MAX_FRAME_BYTES, VERSIONS } from '@slotkeeper/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { startWorld, TTL_MS, Wire, type World, wait } from './wire.ts';

let world: World;

beforeEach(async () => {
  world = await startWorld();
  world.replica.submit({ type: 'limit.set', name: 'db', id: randomUUID(), patch: { slots: 1 } });
  await world.time.pass(0);
});

async function connected(session?: string, known?: Parameters<Wire['greet']>[0]): Promise<Wire> {
  const wire = new Wire(world, session).greet(known);
  await world.time.pass(0);
  return wire;
}

const taken = (): number | undefined => world.replica.engine.limitView('db')?.taken;

describe('a connection of the session protocol', () => {
  it('is welcomed, and its frames are acknowledged once they are durable', async () => {
    const wire = new Wire(world).greet();
    expect(wire.ack).toBe(0);
    await world.time.pass(0);
    expect(wire.ack).toBe(1);
    expect(wire.received).toEqual([{ type: 'welcome', server: 'test', ttlMs: TTL_MS, version: VERSIONS.max }]);
  });

  it('agrees on the latest version of the protocol that both speak', async () => {
    const offers = [
      { versionMin: 2, versionMax: 0 },
      { versionMin: 2, versionMax: VERSIONS.max },
      { versionMin: VERSIONS.max, versionMax: VERSIONS.max + 5 },
    ];
    const chosen: unknown[] = [];
    for (const offer of offers) {
      const wire = new Wire(world);
      wire.send(
        { type: 'hello', sessionId: wire.session, connection: 1, ttlMs: TTL_MS, apiKey: null, ...offer },
        { type: 'ready' },
      );
      await world.time.pass(0);
      chosen.push(wire.of('welcome')[0]?.version);
    }
    expect(chosen).toEqual([2, VERSIONS.max, VERSIONS.max]);
  });

  it('is told of a grant and of a place in the line, and hands over at the release', async () => {
    const [a, b] = [await connected(), await connected()];
    const held = a.acquire([['db', 1]]);
    const waiting = b.acquire([['db', 1]]);
    await world.time.pass(0);
    expect(a.grantOf(held)?.token).toBe(2);
    expect(b.of('queued')).toMatchObject([{ leaseId: waiting }]);
    a.send({ type: 'release', leaseId: held, token: 2 });
    await world.time.pass(0);
    expect(b.grantOf(waiting)?.token).toBe(4);
  });

  it('is told of an allowed name that is missing', async () => {
    const wire = await connected();
    const lease = wire.acquire([['nope', 1]], { onMissing: 'allow' });
    await world.time.pass(0);
    expect(wire.grantOf(lease)).toMatchObject({ amounts: [], warnings: [{ code: 'LIMIT_MISSING', limit: 'nope' }] });
  });

  it('goes away in order with bye: all it held is free at once', async () => {
    const [a, b] = [await connected(), await connected()];
    a.acquire([['db', 1]]);
    const waiting = b.acquire([['db', 1]]);
    a.send({ type: 'bye' });
    await world.time.pass(0);
    expect(a.isClosed).toBe(true);
    expect(a.ack).toBe(3);
    expect(b.grantOf(waiting)).toBeDefined();
  });

  it('that is cut keeps its leases for their time to live, then they go to whoever waits', async () => {
    const [a, b] = [await connected(), await connected()];
    a.acquire([['db', 1]]);
    const waiting = b.acquire([['db', 1]]);
    await world.time.pass(0);
    a.cut();
    for (let passedMs = 0; passedMs < TTL_MS - 1_000; passedMs += 1_000) {
      await world.time.pass(1_000);
      b.send();
      expect(b.grantOf(waiting)).toBeUndefined();
    }
    await world.time.pass(1_001);
    expect(b.grantOf(waiting)).toBeDefined();
    expect(taken()).toBe(1);
  });

  it('that falls silent is closed after its time to live, and told to come back', async () => {
    const wire = await connected();
    wire.acquire([['db', 1]]);
    await world.time.pass(TTL_MS + 1);
    expect(wire.isClosed).toBe(true);
    expect(wire.of('goodbye')).toMatchObject([{ retry: true }]);
  });
});

describe('a client that comes back', () => {
  it('keeps the lease that it lists', async () => {
    const first = await connected();
    const lease = first.acquire([['db', 1]]);
    await world.time.pass(0);
    first.cut();
    const second = await connected(first.session, { connection: 2, claims: [[lease, 2]] });
    expect(second.of('ended')).toEqual([]);
    expect(taken()).toBe(1);
  });

  it('no longer holds a lease that it does not list', async () => {
    const first = await connected();
    first.acquire([['db', 1]]);
    await world.time.pass(0);
    await connected(first.session, { connection: 2 });
    expect(taken()).toBe(0);
  });

  it('is told again of a grant whose answer it has not seen, and it counts once', async () => {
    const first = await connected();
    const request = wait([['db', 1]]);
    first.send({ type: 'acquire', request });
    first.cut();
    const second = await connected(first.session, { connection: 2, waits: [request] });
    expect(second.grantOf(request.leaseId)?.token).toBe(2);
    expect(taken()).toBe(1);
  });

  it('keeps its place in the line', async () => {
    const [holder, first, later] = [await connected(), await connected(), await connected()];
    const held = holder.acquire([['db', 1]]);
    const request = wait([['db', 1]]);
    first.send({ type: 'acquire', request });
    const behind = later.acquire([['db', 1]]);
    await world.time.pass(0);
    first.cut();
    const back = await connected(first.session, { connection: 2, waits: [request] });
    holder.send({ type: 'release', leaseId: held, token: 2 });
    await world.time.pass(0);
    expect(back.grantOf(request.leaseId)).toBeDefined();
    expect(later.grantOf(behind)).toBeUndefined();
  });

  it('is told which of its leases are lost', async () => {
    const gone = randomUUID();
    const wire = await connected(undefined, { claims: [[gone, 7]] });
    expect(wire.of('ended')).toMatchObject([{ leaseId: gone, error: { code: 'LEASE_LOST' } }]);
  });

  it('displaces its earlier connection, which hears so and is closed', async () => {
    const first = await connected();
    await connected(first.session, { connection: 2 });
    expect(first.isClosed).toBe(true);
    expect(first.of('goodbye')).toMatchObject([{ error: { code: 'CONFLICT' }, retry: false }]);
  });

  it('hears nothing of what was decided for its earlier connection: it is answered anew', async () => {
    const holder = await connected();
    holder.acquire([['db', 1]]);
    world.replica.submit({ type: 'limit.set', name: 'db', id: '', patch: { maxWaiters: 0 } });
    const first = await connected();
    const request = wait([['db', 1]]);
    first.send({ type: 'acquire', request });
    const second = await connected(first.session, { connection: 2, waits: [request] });
    expect(second.of('refused')).toMatchObject([{ leaseId: request.leaseId, error: { code: 'QUEUE_FULL' } }]);
    expect(second.received[0]).toMatchObject({ type: 'welcome' });
  });

  it('is refused with a connection number that is not greater than the last', async () => {
    const first = await connected();
    const stale = await connected(first.session, { connection: 1 });
    expect(stale.of('goodbye')).toMatchObject([{ error: { code: 'CONFLICT' }, retry: false }]);
    expect(first.isClosed).toBe(false);
  });
});

describe('a position in the wait queue that a client chooses for itself', () => {
  const front = { atMs: 0, number: 1 };

  /** Who is granted as the holder, who was there before, gives its slot back: somebody who waited in turn, or the other. */
  async function next(other: (request: AcquireRequest) => Promise<Wire>): Promise<'in turn' | 'other'> {
    const [holder, inTurn] = [await connected(), await connected()];
    const held = holder.acquire([['db', 1]]);
    await world.time.pass(1_000);
    const waiting = inTurn.acquire([['db', 1]]);
    await world.time.pass(1_000);
    const request = wait([['db', 1]], { place: front });
    const wire = await other(request);
    holder.send({ type: 'release', leaseId: held, token: 2 });
    await world.time.pass(0);
    expect([inTurn.grantOf(waiting), wire.grantOf(request.leaseId)].filter(Boolean)).toHaveLength(1);
    return inTurn.grantOf(waiting) ? 'in turn' : 'other';
  }

  it('is not heeded in an acquire that is new', async () => {
    const asked = await next(async (request) => (await connected()).send({ type: 'acquire', request }));
    expect(asked).toBe('in turn');
  });

  it('is not heeded on the first connection of a session', async () => {
    expect(await next((request) => connected(undefined, { waits: [request] }))).toBe('in turn');
  });

  it('is not heeded if no server has given it', async () => {
    const later = { atMs: 0, number: 2 ** 50 };
    const asked = await next((request) =>
      connected(undefined, { connection: 2, waits: [{ ...request, place: later }] }),
    );
    expect(asked).toBe('in turn');
  });

  it('that the session had is kept, whatever it says', async () => {
    const [holder, first] = [await connected(), await connected()];
    holder.acquire([['db', 1]]);
    const request = wait([['db', 1]]);
    first.send({ type: 'acquire', request });
    await world.time.pass(1_000);
    const given = first.of('queued')[0]?.place;
    first.cut();
    const back = await connected(first.session, { connection: 2, waits: [{ ...request, place: front }] });
    expect(back.of('queued')[0]?.place).toEqual(given);
  });

  it('is no earlier than the greatest priority would have been as the server started', async () => {
    const [holder, wire] = [await connected(), await connected(undefined, { connection: 2 })];
    holder.acquire([['db', 1]]);
    const back = await connected(wire.session, { connection: 3, waits: [wait([['db', 1]], { place: front })] });
    expect(back.of('queued')[0]?.place.atMs).toBe(world.startedAtMs - 86_400_000);
  });
});

describe('a server that starts again', () => {
  it('has all that it acknowledged, and gives every lease a full time to live', async () => {
    const first = await connected();
    const lease = first.acquire([['db', 1]]);
    await world.time.pass(TTL_MS / 2);
    await world.replica.stop();
    world = await startWorld({ store: world.store, time: world.time });
    await world.time.pass(TTL_MS - 1);
    const back = await connected(first.session, { connection: 2, claims: [[lease, 2]] });
    expect(back.of('ended')).toEqual([]);
    expect(taken()).toBe(1);
  });

  it('grants nothing for a second, so that those who waited are back in their places', async () => {
    const [holder, first] = [await connected(), await connected()];
    const held = holder.acquire([['db', 1]]);
    const request = wait([['db', 1]]);
    first.send({ type: 'acquire', request });
    await world.time.pass(0);
    const place = first.of('queued')[0]?.place ?? null;
    await world.replica.stop();
    world = await startWorld({ store: world.store, time: world.time });

    await connected(holder.session, { connection: 2 });
    const newcomer = await connected();
    const late = newcomer.acquire([['db', 1]]);
    await world.time.pass(900);
    expect(newcomer.grantOf(late)).toBeUndefined();
    const back = await connected(first.session, { connection: 2, waits: [{ ...request, place }] });
    await world.time.pass(100);
    expect(back.grantOf(request.leaseId)).toBeDefined();
    expect(newcomer.grantOf(late)).toBeUndefined();
    expect(world.replica.engine.isValid(held, 2)).toBe(false);
  });
});

it('carries out a frame that comes in parts as they come, and acknowledges it with the last', async () => {
  const wire = await connected();
  const holder = { ...wait([]).holder, label: 'x'.repeat(200) };
  const requests = Array.from({ length: 3_000 }, () => wait([['db', 1]], { holder }));
  const messages = requests.map((request) => ({ type: 'acquire', request }) as const);
  const [first, ...others] = jsonCodec.encodeClientFrame({ number: 2, messages });
  wire.sendText(first!);
  await world.time.pass(1);
  expect(wire.grantOf(requests[0]!.leaseId)).toBeDefined();
  expect(wire.ack).toBe(1);
  expect(others.length).toBeGreaterThan(0);
  for (const text of others) wire.sendText(text);
  await world.time.pass(1);
  expect(wire.ack).toBe(2);
  expect(wire.of('queued')).toHaveLength(2_999);
});

describe('a breach of the protocol ends its connection, and no other', () => {
  const breaches: Record<string, (wire: Wire) => void> = {
    'no JSON': (wire) => wire.sendText('hello'),
    'no list': (wire) => wire.sendText('{"type":"hello"}'),
    'an unknown message': (wire) => wire.sendText('[1,["?"]]'),
    'an acquire before hello': (wire) => wire.acquire([['db', 1]]),
    'a frame of 2 MiB': (wire) => wire.sendText(JSON.stringify([1, 'x'.repeat(2 * MAX_FRAME_BYTES)])),
    'a frame number out of order': (wire) => wire.sendText('[5]'),
    'a connection number of 0': (wire) => wire.greet({ connection: 0 }),
    'a time to live of a millisecond': (wire) =>
      wire.send({
        type: 'hello',
        versionMin: VERSIONS.min,
        sessionId: randomUUID(),
        connection: 1,
        ttlMs: 1,
        apiKey: null,
        versionMax: 0,
      }),
    'a client in another process that never expires': (wire) =>
      wire.send({
        type: 'hello',
        versionMin: VERSIONS.min,
        sessionId: randomUUID(),
        connection: 1,
        ttlMs: null,
        apiKey: null,
        versionMax: 0,
      }),
    'a session id that is none': (wire) =>
      wire.send({
        type: 'hello',
        versionMin: VERSIONS.min,
        sessionId: 'me',
        connection: 1,
        ttlMs: TTL_MS,
        apiKey: null,
        versionMax: 0,
      }),
  };

  for (const [what, breach] of Object.entries(breaches)) {
    it(`${what}: refused with the field and the reason`, async () => {
      const other = await connected();
      const held = other.acquire([['db', 1]]);
      const wire = new Wire(world);
      breach(wire);
      await world.time.pass(0);
      expect(wire.isClosed).toBe(true);
      expect(wire.of('goodbye')).toMatchObject([{ retry: false, error: { code: 'INVALID_REQUEST' } }]);
      expect(wire.of('goodbye')[0]?.error.details).toMatchObject({
        field: expect.any(String),
        reason: expect.any(String),
      });
      expect(other.isClosed).toBe(false);
      expect(other.grantOf(held)).toBeDefined();
    });
  }

  it('a connection that says nothing is closed after ten seconds', async () => {
    const wire = new Wire(world);
    await world.time.pass(10_000);
    expect(wire.isClosed).toBe(true);
  });

  it('without the API key, or with a wrong one, nothing is served', async () => {
    world = await startWorld({ apiKey: 'secret' });
    for (const apiKey of [undefined, 'wrong']) {
      const wire = await connected(undefined, apiKey === undefined ? {} : { apiKey });
      if (apiKey === 'wrong') {
        // So that nobody tries many.
        expect([wire.of('goodbye'), wire.isClosed]).toEqual([[], false]);
        await world.time.pass(500);
      }
      expect(wire.of('goodbye')).toMatchObject([{ error: { code: 'AUTH' }, retry: false }]);
      expect(wire.isClosed).toBe(true);
    }
    const wire = await connected(undefined, { apiKey: 'secret' });
    expect(wire.of('welcome')).toHaveLength(1);
  });
});

describe('a request that is not allowed is refused with its field, and the connection goes on', () => {
  const many = Array.from({ length: 65 }, (_, i) => [`l${i}`, 1] as const);
  const bad: Record<string, [AcquireRequest['amounts'], Partial<AcquireRequest>?]> = {
    'no limit': [[]],
    'an empty name': [[['', 1]]],
    'a name of 256 characters': [[['x'.repeat(256), 1]]],
    'a name with a slash': [[['a/b', 1]]],
    'a name with NUL': [[['a\0b', 1]]],
    'a name with half a character': [[['\ud800', 1]]],
    'slots of 0': [[['db', 0]]],
    'slots of −1': [[['db', -1]]],
    'slots of 1.5': [[['db', 1.5]]],
    'slots of 2⁵³': [[['db', 2 ** 53]]],
    '65 limits': [many],
    'a name given twice': [
      [
        ['db', 1],
        ['db', 1],
      ],
    ],
    'a priority of a day and a second': [[['db', 1]], { priority: 86_401 }],
    'a negative timeout': [[['db', 1]], { timeoutMs: -1 }],
    'a label of 256 characters': [
      [['db', 1]],
      { holder: { type: null, id: null, label: 'x'.repeat(256), host: null, pid: null } },
    ],
  };

  for (const [what, [amounts, options]] of Object.entries(bad)) {
    it(what, async () => {
      const wire = await connected();
      const position = world.replica.engine.state.position;
      const lease = wire.acquire(amounts, options);
      await world.time.pass(0);
      expect(wire.of('refused')).toMatchObject([
        { leaseId: lease, error: { code: 'INVALID_REQUEST', details: { field: expect.any(String) } } },
      ]);
      expect(world.replica.engine.state.position).toBe(position);
      const allowed = wire.acquire([['db', 1]]);
      await world.time.pass(0);
      expect(wire.grantOf(allowed)).toBeDefined();
    });
  }

  it('a call that does not exist, or with a field too many', async () => {
    const wire = await connected();
    wire.send(
      { type: 'call', id: 1, method: 'limits.explode' as 'limits.get', params: { name: 'db' } },
      { type: 'call', id: 2, method: 'limits.set', params: { name: 'db', spec: { slots: 2, color: 'red' } } },
      { type: 'call', id: 3, method: 'limits.get', params: { name: 'db' } },
    );
    await world.time.pass(0);
    expect(wire.of('failed')).toMatchObject([
      { id: 1, error: { code: 'INVALID_REQUEST', details: { field: 'method' } } },
      { id: 2, error: { code: 'INVALID_REQUEST', details: { field: 'spec.color' } } },
    ]);
    expect(wire.of('reply')).toMatchObject([{ id: 3, value: { name: 'db', slots: 1 } }]);
  });

  it('a long list comes in pages that fit in a frame, whatever the names', async () => {
    const wire = await connected();
    const names = Array.from({ length: 1_200 }, (_, i) => `${'語'.repeat(240)}${String(i).padStart(5, '0')}`);
    for (const name of names) world.replica.submit({ type: 'limit.set', name, id: name, patch: { slots: 1 } });
    const seen: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      wire.send({ type: 'call', id: seen.length, method: 'limits.list', params: { prefix: '語', after } });
      await world.time.pass(0);
      const { value } = wire.of('reply').at(-1) as { value: { items: { name: string }[]; next: string | null } };
      expect(Buffer.byteLength(JSON.stringify(value))).toBeLessThan(MAX_FRAME_BYTES);
      seen.push(...value.items.map(({ name }) => name));
      after = value.next;
    }
    expect(seen).toEqual(names);
  });

  it('a long list of waiters comes in pages that leave nobody out, though clients claim one position', async () => {
    const [wire, holder] = [await connected(), await connected()];
    holder.acquire([['db', 1]]);
    await world.time.pass(1);
    const place = { atMs: world.replica.nowMs - 1, number: 1 };
    const leases = Array.from({ length: 1_200 }, () => wire.acquire([['db', 1]], { place }));
    await world.time.pass(0);
    const seen: string[] = [];
    for (let after: string | null = null, pages = 0; pages === 0 || after !== null; pages += 1) {
      wire.send({ type: 'call', id: pages, method: 'waiters', params: { limit: 'db', after } });
      await world.time.pass(0);
      const { value } = wire.of('reply').at(-1) as { value: { items: { ticket: string }[]; next: string | null } };
      expect(value.items.length).toBeLessThanOrEqual(500);
      seen.push(...value.items.map(({ ticket }) => ticket));
      after = value.next;
    }
    expect(seen.toSorted()).toEqual(leases.toSorted());
  });

  it('more calls than may wait for their answers', async () => {
    const wire = await connected();
    wire.acquire([['db', 1]]);
    const drains = Array.from(
      { length: 1_001 },
      (_, id) => ({ type: 'call', id, method: 'limits.drain', params: { name: 'db' } }) as const,
    );
    wire.send(...drains);
    await world.time.pass(0);
    expect(wire.of('failed')).toMatchObject([{ id: 1_000, error: { code: 'QUEUE_FULL' } }]);
  });
});
