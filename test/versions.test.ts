/** Clients and servers of different versions of the session protocol: real ones, each given the versions that it speaks. */
import { randomUUID } from 'node:crypto';
import { jsonCodec, VERSIONS, type Versions } from '@slotkeeper/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { ofFirstClient, toFirstServer } from './first-release.ts';
import { Random } from './random.ts';
import { type Dial, VirtualFleet } from './virtual-fleet.ts';

const TTL_MS = 15_000;
/** The next release, which speaks what this one does. */
const NEXT: Versions = { min: VERSIONS.min, max: VERSIONS.max + 1 };
/** A later one, which speaks none of it any more. */
const BREAKING: Versions = { min: VERSIONS.max + 1, max: VERSIONS.max + 1 };
const FIRST: Versions = { min: 2, max: 2 };

let fleet: VirtualFleet;

beforeEach(() => {
  fleet = new VirtualFleet(new Random(13));
});

async function startServer(versions: Versions): Promise<void> {
  await fleet.startServer(versions);
  await fleet.time.pass(1_000);
  fleet.replica.submit({ type: 'limit.ensure', name: 'db', id: randomUUID(), patch: { slots: 1 } });
}

/** As over a WebSocket: what arrives is what the codec makes of it. */
const asText: (dial: Dial) => Dial = (dial) => (client) => {
  const channel = dial({
    frame: (frame) => {
      for (const text of jsonCodec.encodeServerFrame(frame)) client.frame(jsonCodec.decodeServerFrame(text));
    },
    garbled: (problem) => client.garbled(problem),
    closed: (reason) => client.closed(reason),
  });
  return {
    send: (frame) => {
      for (const text of jsonCodec.encodeClientFrame(frame)) channel.send(jsonCodec.decodeClientFrame(text));
    },
    close: () => channel.close(),
    bufferedBytes: 0,
  };
};

async function connect(versions: Versions, dial: Dial = asText(fleet.network.dial)) {
  return fleet.connect(TTL_MS, { versions, dial, connectTimeoutMs: 10_000 });
}

/** Takes a slot, waits for another, gives the first back: everything a connection is for. */
async function works({ keeper }: Awaited<ReturnType<typeof connect>>): Promise<void> {
  const lease = await done(keeper.acquire('db'));
  const second = keeper.acquire('db');
  await fleet.time.pass(100);
  void lease.release();
  expect((await done(second)).token).toBeGreaterThan(lease.token);
  expect(await done(keeper.limits.get('db'))).toMatchObject({ slots: 1, taken: 1 });
  await done(keeper.close());
}

async function done<T>(promise: Promise<T>): Promise<T> {
  let isDone = false;
  const settled = promise.finally(() => {
    isDone = true;
  });
  await fleet.until(() => isDone, settled);
  return promise;
}

test.each([
  ['this release', 'this release', VERSIONS, VERSIONS],
  ['this release', 'the next', VERSIONS, NEXT],
  ['the next', 'this release', NEXT, VERSIONS],
  ['the next', 'the next', NEXT, NEXT],
  ['one that has dropped all earlier ones', 'the next', BREAKING, NEXT],
  ['the next', 'one that has dropped all earlier ones', NEXT, BREAKING],
])('a server of %s serves a client of %s', async (_, __, server, client) => {
  await startServer(server);
  await works(await connect(client));
});

test.each([
  ['client', BREAKING, VERSIONS, 'The server speaks version 4 of the session protocol, the client versions 2 to 3'],
  ['server', VERSIONS, BREAKING, 'The server speaks versions 2 to 3 of the session protocol, the client version 4'],
])(
  'where they have none in common, a first connect is told in time to upgrade the %s',
  async (older, server, client, who) => {
    await startServer(server);
    const askedAtMs = fleet.time.monotonicMs();
    await expect(connect(client)).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: `The Slotkeeper server at virtual cannot be used: ${who}. Upgrade the ${older}.`,
    });
    expect(fleet.time.monotonicMs() - askedAtMs).toBe(10_000);
  },
);

describe('a server that comes back in a version that the client does not speak, and then in its old one', () => {
  test('finds the client’s leases, kept all the time, and its place in the wait queue', async () => {
    await startServer(VERSIONS);
    const [holder, waiter] = [await connect(VERSIONS), await connect(VERSIONS)];
    const lease = await done(holder.keeper.acquire('db'));
    const waiting = waiter.keeper.acquire('db');
    await fleet.time.pass(100);

    fleet.killServer();
    await fleet.startServer(BREAKING);
    await fleet.time.pass(TTL_MS / 2);
    expect(holder.keeper.status).toBe('reconnecting');
    expect(lease.signal.aborted).toBe(false);

    fleet.killServer();
    await fleet.startServer(VERSIONS);
    await fleet.until(() => holder.keeper.status === 'connected');
    expect(lease.signal.aborted).toBe(false);
    expect(await done(lease.check())).toBe(true);
    void lease.release();
    expect((await done(waiting)).token).toBeGreaterThan(lease.token);
  });

  test('is waited for with the leases until these may be another’s, and then without', async () => {
    await startServer(VERSIONS);
    const { keeper } = await connect(VERSIONS);
    const lease = await done(keeper.acquire('db'));
    fleet.killServer();
    await fleet.startServer(BREAKING);
    await fleet.time.pass(TTL_MS);
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
    expect((lease.signal.reason as Error).message).toContain('Upgrade the client');
    await expect(done(keeper.limits.get('db'))).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringMatching(/cannot be used: .* Upgrade the client\.$/),
    });

    fleet.killServer();
    await fleet.startServer(VERSIONS);
    await fleet.until(() => keeper.status === 'connected');
    expect((await done(keeper.acquire('db'))).token).toBeGreaterThan(lease.token);
  });
});

describe('0.1.0', () => {
  const later = (callback: () => void): void => void fleet.time.setTimer(0, callback);

  test('as a client is served', async () => {
    await startServer(VERSIONS);
    await works(await connect(FIRST, ofFirstClient(fleet.network.dial)));
  });

  test('as a server serves this client, which offers it the earliest version alone', async () => {
    await startServer(FIRST);
    await works(await connect(VERSIONS, toFirstServer(fleet.network.dial, later)));
  });

  test('as a server that comes back finds the leases of a running client', async () => {
    await startServer(VERSIONS);
    let isFirst = false;
    const dial: Dial = (client) =>
      (isFirst ? toFirstServer(fleet.network.dial, later) : asText(fleet.network.dial))(client);
    const { keeper } = await connect(VERSIONS, dial);
    const lease = await done(keeper.acquire('db'));
    for (const versions of [FIRST, VERSIONS, FIRST]) {
      fleet.killServer();
      isFirst = versions === FIRST;
      await fleet.startServer(versions);
      await fleet.until(() => keeper.status === 'connected');
      expect(await done(lease.check())).toBe(true);
    }
  });

  test('as a server is told apart from a client that has dropped its version', async () => {
    await startServer(FIRST);
    await expect(connect(BREAKING, toFirstServer(fleet.network.dial, later))).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringMatching(/Upgrade the server\.$/),
    });
  });
});
