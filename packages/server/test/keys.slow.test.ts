/** Several keys, and what each is good for, on a real server: by every door, while it runs, and under attack. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { SqliteJournal } from '@slotkeeper/journal';
import { pino } from 'pino';
import { connect, type Keeper, type Limit } from 'slotkeeper';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { realClock } from '../src/clock.ts';
import { newKey } from '../src/keys/key-file.ts';
import { type RunningServer, type ServeOptions, serve } from '../src/serve.ts';

const LIMITS = '/api/v2/concurrency_limits';
const made = {
  see: newKey('see', 'read', ''),
  take: newKey('take', 'use', ''),
  rule: newKey('rule', 'admin', ''),
  ours: newKey('ours', 'admin', 'a:'),
};
type Name = keyof typeof made;

class Scene {
  readonly server: RunningServer;
  readonly file: string;
  readonly data: string;
  readonly log: string[];

  private constructor(server: RunningServer, file: string, data: string, log: string[]) {
    this.server = server;
    this.file = file;
    this.data = data;
    this.log = log;
  }

  static async start(more: Partial<ServeOptions> = {}): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-test-'));
    const file = join(folder, 'keys');
    const data = join(folder, 'data');
    writeFileSync(file, lines('see', 'take', 'rule', 'ours'));
    const log: string[] = [];
    const write = (line: string): void => void log.push(JSON.parse(line).msg);
    const server = await serve({
      host: '127.0.0.1',
      port: 0,
      data,
      apiKeysFile: file,
      upstream: null,
      v1LeaseSeconds: null,
      prefectVersion: null,
      log: pino({}, { write }),
      ...more,
    });
    onTestFinished(async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const scene = new Scene(server, file, data, log);
    const keeper = await scene.keeper('rule');
    for (const name of ['db', 'a:db']) await keeper.limits.ensure(name, { slots: 2 });
    return scene;
  }

  async keeper(name: Name): Promise<Keeper> {
    const keeper = await connect(this.server.url, { apiKey: made[name].key, ttlSeconds: 2 });
    onTestFinished(() => keeper.close());
    return keeper;
  }

  async ask(path: string, { method = 'POST', key = '', body = {}, from = '127.0.0.1', headers = {} }: Asked = {}) {
    const { hostname, port } = new URL(this.server.url);
    const shown = key === '' ? {} : { authorization: `Bearer ${key}` };
    const options = { hostname, port, path, method, localAddress: from, agent: false };
    const bytes = method === 'DELETE' ? '' : JSON.stringify(body);
    const framing = { 'content-length': String(bytes.length) };
    const asked = request({ ...options, headers: { ...framing, ...shown, ...headers } }).end(bytes);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode, text: (await buffer(answer)).toString() };
  }
}

interface Asked {
  readonly method?: string;
  readonly key?: string;
  readonly body?: object;
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function lines(...names: Name[]): string {
  return names.map((name) => made[name].line).join('\n');
}

async function listed({ limits }: Keeper, prefix = ''): Promise<Limit[]> {
  const all: Limit[] = [];
  for await (const limit of limits.list({ prefix })) all.push(limit);
  return all;
}

/** What comes of it: `done`, or the code. */
function outcome(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'done',
    (error) => error.code,
  );
}

describe('by the session protocol a key is good for its right and the rights before it', () => {
  test.each<[Name, string[]]>([
    ['see', ['done', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH']],
    ['take', ['done', 'done', 'done', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH']],
    ['rule', ['done', 'done', 'done', 'done', 'done', 'done', 'done', 'done']],
    ['ours', ['AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH', 'AUTH']],
  ])('%s', async (name, expected) => {
    const scene = await Scene.start();
    const keeper = await scene.keeper(name);
    const { limits } = keeper;
    const seen = [
      await outcome(limits.get('db')),
      await outcome(keeper.concurrency('db', async () => {})),
      await outcome(limits.ensure('db', { slots: 9 })),
      await outcome(limits.ensure('new', { slots: 1 })),
      await outcome(keeper.concurrency('made', { onMissing: { slots: 1 } }, async () => {})),
      await outcome(limits.set('db', { slots: 3 })),
      await outcome(limits.pause('db')),
      await outcome(limits.delete('db', { force: true })),
    ];
    expect(seen).toEqual(expected);
    const names = (await listed(await scene.keeper('rule'))).map(({ name, slots }) => [name, slots]);
    if (name !== 'rule') {
      // Nothing has changed.
      expect(names).toEqual([
        ['a:db', 2],
        ['db', 2],
      ]);
    }
  });

  test('a key with a prefix rules its own limits, and sees nothing of others', async () => {
    const scene = await Scene.start();
    const both = await (await scene.keeper('rule')).acquire({ db: 1, 'a:db': 1 });
    const other = await (await scene.keeper('rule')).acquire('db');
    const keeper = await scene.keeper('ours');
    expect((await listed(keeper)).map(({ name }) => name)).toEqual(['a:db']);
    expect(await listed(keeper, 'd')).toEqual([]);
    expect((await keeper.holders()).map(({ limits }) => limits)).toEqual([[{ name: 'a:db', slots: 1 }]]);
    expect(await outcome(keeper.holders('db'))).toBe('AUTH');
    await keeper.limits.set('a:db', { slots: 5 });
    expect(await outcome(keeper.acquire({ 'a:db': 1, db: 1 }))).toBe('AUTH');
    await expect(keeper.acquire('db')).rejects.toThrow("The key 'ours' is for limits whose names begin with 'a:'");
    await both.release();
    await other.release();
  });
});

test("by Prefect's API a key is good for its right, and for the limits of its prefix", async () => {
  const scene = await Scene.start();
  await (await scene.keeper('rule')).limits.set('db', { slots: 9 });
  const taking = { names: ['db'], slots: 1 };
  const statuses = async (name: Name) => [
    (await scene.ask(`${LIMITS}/filter`, { key: made[name].key })).status,
    (await scene.ask(`${LIMITS}/increment`, { key: made[name].key, body: taking })).status,
    (await scene.ask(`${LIMITS}/increment-with-lease`, { key: made[name].key, body: taking })).status,
    (await scene.ask(`${LIMITS}/decrement`, { key: made[name].key, body: taking })).status,
    (await scene.ask(`${LIMITS}/db`, { method: 'PATCH', key: made[name].key, body: { limit: 9 } })).status,
    (await scene.ask(`${LIMITS}/`, { key: made[name].key, body: { name: 'n', limit: 1 } })).status,
    (await scene.ask('/api/concurrency_limits/', { key: made[name].key, body: { tag: 't', concurrency_limit: 1 } }))
      .status,
    (await scene.ask('/api/events/filter', { key: made[name].key })).status,
    (await scene.ask(`${LIMITS}/db`, { method: 'DELETE', key: made[name].key })).status,
  ];
  expect(await statuses('see')).toEqual([200, 403, 403, 403, 403, 403, 403, 200, 403]);
  expect(await statuses('take')).toEqual([200, 200, 200, 200, 403, 403, 403, 200, 403]);
  expect(await statuses('ours')).toEqual([200, 403, 403, 403, 403, 403, 403, 403, 403]);
  const { text } = await scene.ask(`${LIMITS}/filter`, { key: made.ours.key });
  expect(JSON.parse(text).map(({ name }: { name: string }) => name)).toEqual(['a:db']);
  // A name that no limit has is ignored for every key, as by a stock server.
  const unknown = { key: made.ours.key, body: { names: ['a:db', 'unknown'], slots: 1 } };
  expect((await scene.ask(`${LIMITS}/increment`, unknown)).status).toBe(200);
  expect(await statuses('rule')).toEqual([200, 200, 200, 200, 204, 201, 201, 200, 204]);
});

test('events are sent by those who may use, and followed by those who may see all', async () => {
  const { server } = await Scene.start();
  const greeted = async (path: string, name: Name): Promise<string> => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/events/${path}`, ['prefect']);
    onTestFinished(() => socket.terminate());
    socket.on('open', () => socket.send(JSON.stringify({ type: 'auth', token: made[name].key })));
    const [first] = await Promise.race([
      once(socket, 'message').then(([data]) => [JSON.parse(String(data)).type]),
      once(socket, 'close'),
    ]);
    return String(first);
  };
  const names = ['see', 'take', 'rule', 'ours'] as const;
  const on = (path: string) => Promise.all(names.map((name) => greeted(path, name)));
  expect(await on('in')).toEqual(['1008', 'auth_success', 'auth_success', 'auth_success']);
  expect(await on('out')).toEqual(['auth_success', 'auth_success', 'auth_success', '1008']);
});

test("who may not administer sees the beginning of the ids of Prefect's leases, which would let them be released", async () => {
  const scene = await Scene.start();
  const body = { names: ['db'], slots: 2 };
  const { text } = await scene.ask(`${LIMITS}/increment-with-lease`, { key: made.take.key, body });
  const { lease_id: id } = JSON.parse(text);
  const [user, ruler] = [await scene.keeper('take'), await scene.keeper('rule')];
  const session = await user.acquire('a:db');
  const ids = async (keeper: Keeper) => (await keeper.holders()).map(({ leaseId }) => leaseId);
  expect(await ids(ruler)).toEqual([id, session.id]);
  expect(await ids(user)).toEqual([`${id.slice(0, 8)}…`, session.id]);
  const explained = await user.acquire('db', { timeoutSeconds: 0.05 }).catch((error) => error.explanation);
  expect(JSON.stringify(explained)).toContain(`"leaseId":"${id.slice(0, 8)}…"`);
  const waiting = user.acquire('db').catch(() => undefined);
  await expect.poll(async () => (await user.waiters()).length).toBe(1);
  const tickets = [(await user.waiters())[0]!.ticket, (await ruler.waiters())[0]!.ticket];
  expect(tickets[0]).toBe(`${tickets[1]!.slice(0, 8)}…`);
  await user.close();
  await waiting;
});

test('the journal has who changed what, by the name of the key and the address', async () => {
  const scene = await Scene.start();
  const keeper = await scene.keeper('ours');
  await keeper.limits.set('a:x', { slots: 1 });
  await keeper.limits.pause('a:x');
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  await scene.ask(`${LIMITS}/a:x`, { method: 'DELETE', key: made.rule.key, headers });
  await scene.server.close();
  const journal = new SqliteJournal({ folder: scene.data }, realClock);
  await journal.follow();
  const facts = (await journal.read(0, 1_000)).map(({ fact }) => fact);
  await journal.close();
  const about = facts.flatMap((fact) => ('by' in fact && 'name' in fact && fact.name === 'a:x' ? [fact] : []));
  // What a client claims of itself counts for nothing without --trust-proxy.
  expect(about.map(({ type, by }) => [type, by])).toEqual([
    ['limit.set', { key: 'ours', address: '127.0.0.1' }],
    ['limit.set', { key: 'ours', address: '127.0.0.1' }],
    ['limit.deleted', { key: 'rule', address: '127.0.0.1' }],
  ]);
});

describe('while the server runs', () => {
  test('a key that is removed is good for nothing any more, and one that was added is good at once', async () => {
    const scene = await Scene.start();
    const gone = await scene.keeper('take');
    const stays = await scene.keeper('rule');
    const held = await gone.acquire('db');
    const kept = await stays.acquire('db');
    const added = newKey('added', 'use', '');
    writeFileSync(scene.file, `${lines('rule')}\n${added.line}\n`);
    scene.server.reload();
    await once(held.signal, 'abort');
    expect(await outcome(gone.acquire('db'))).toBe('AUTH');
    expect(await outcome(connect(scene.server.url, { apiKey: made.take.key }))).toBe('AUTH');
    expect((await scene.ask(`${LIMITS}/filter`, { key: made.take.key })).status).toBe(401);
    expect((await scene.ask(`${LIMITS}/filter`, { key: added.key })).status).toBe(200);
    expect([stays.status, kept.signal.aborted]).toEqual(['connected', false]);
  });

  test('the WebSockets of a key that was changed are closed', async () => {
    const scene = await Scene.start();
    const socket = new WebSocket(`${scene.server.url.replace('http', 'ws')}/api/events/out`, ['prefect']);
    socket.on('open', () => socket.send(JSON.stringify({ type: 'auth', token: made.see.key })));
    await once(socket, 'message');
    writeFileSync(scene.file, `${lines('rule')}\n${JSON.stringify({ ...JSON.parse(made.see.line), prefix: 'a:' })}`);
    scene.server.reload();
    const [code, reason] = await once(socket, 'close');
    expect([code, String(reason)]).toEqual([1008, 'The token is not valid any more']);
  });

  test('a file that is bad leaves the keys as they were, and the log says why', async () => {
    const scene = await Scene.start();
    const keeper = await scene.keeper('take');
    writeFileSync(scene.file, `${lines('rule')}\n${made.take.key}\n`);
    scene.server.reload();
    expect(scene.log.at(-1)).toMatch(/^The list of keys stays as it was: Line 2 of .* is no JSON object/);
    expect(scene.log.at(-1)).not.toContain(made.take.key);
    // Who asks again is answered again.
    scene.server.reload();
    expect(scene.log.slice(-2)).toEqual([scene.log.at(-1), scene.log.at(-1)]);
    await keeper.concurrency('db', async () => {});
    expect((await scene.ask(`${LIMITS}/filter`, { key: made.take.key })).status).toBe(200);
  });
});

describe('under attack', () => {
  test('wrong keys are answered late, few at a time; others are let in meanwhile; the log has few lines', async () => {
    const scene = await Scene.start();
    const tries = Array.from({ length: 100 }, (_, i) => scene.ask(`${LIMITS}/filter`, { key: `guess-${i}` }));
    // From another address a right key is let in at once, while the guesses wait.
    const right = await scene.ask(`${LIMITS}/filter`, { key: made.see.key, from: '127.0.0.2' });
    expect(right.status).toBe(200);
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    const count = (status: number) => statuses.filter((other) => other === status).length;
    // Eight at a time, each half a second: more only if the hundred took so long to come.
    expect([count(401) >= 8, count(401) + count(429)]).toEqual([true, 100]);
    expect(count(429)).toBeGreaterThan(50);
    const told = scene.log.filter((line) => line.startsWith('Wrong keys'));
    expect(told).toEqual(['Wrong keys were shown: 1 from 127.0.0.1. 1 since the start.']);
    expect(scene.log.join()).not.toContain('guess');
  });

  test('behind a proxy that is trusted the address is the one that the proxy says, not one that its client says', async () => {
    const scene = await Scene.start({ trustProxy: true });
    const headers = { 'x-forwarded-for': '198.51.100.1, 203.0.113.9' };
    await scene.ask(`${LIMITS}/filter`, { key: 'wrong', headers });
    expect(scene.log.at(-1)).toBe('Wrong keys were shown: 1 from 203.0.113.9. 1 since the start.');
  });

  test('a key that came unencrypted from elsewhere is told of once', async () => {
    const scene = await Scene.start({ trustProxy: true });
    const from = (proto: string) => ({ 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': proto });
    await scene.ask(`${LIMITS}/filter`, { key: made.see.key, headers: from('https') });
    expect(scene.log.filter((line) => line.includes('unencrypted'))).toEqual([]);
    for (let i = 0; i < 3; i += 1) await scene.ask(`${LIMITS}/filter`, { key: made.see.key, headers: from('http') });
    const told = scene.log.filter((line) => line.includes('unencrypted'));
    expect(told).toEqual([expect.stringMatching(/^The key 'see' came unencrypted from 203\.0\.113\.9.*--tls-cert/)]);
  });
});
