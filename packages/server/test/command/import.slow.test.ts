import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { connect } from 'slotkeeper';
import { expect, onTestFinished, test } from 'vitest';
import { type Ending, sharedServer, slotkeeper, start, startServer } from './built-command.ts';

const ours = sharedServer();

interface TheirLimit {
  readonly name: string;
  readonly limit: number;
  readonly active?: boolean;
  readonly active_slots?: number;
  readonly slot_decay_per_second?: number;
}

interface Page {
  readonly limit: number;
  readonly offset: number;
}

type Answer = (request: IncomingMessage) => { readonly status: number; readonly body?: unknown } | undefined;

/** A server with these limits behind Prefect's API, until the test ends. `first` may answer in its place. */
async function prefectWith(limits: readonly TheirLimit[], first: Answer = () => undefined): Promise<string> {
  const whole = limits.map((limit) => ({ active: true, active_slots: 0, slot_decay_per_second: 0, ...limit }));
  const server = createServer(async (request, response) => {
    const answer = first(request) ?? (await filtered(request));
    response.writeHead(answer.status, { 'Retry-After': '0' }).end(JSON.stringify(answer.body ?? null));
  });
  const filtered = async (request: IncomingMessage) => {
    if (`${request.method} ${request.url}` !== 'POST /api/v2/concurrency_limits/filter')
      return { status: 404, body: { detail: 'Not Found' } };
    const { limit, offset } = (await json(request)) as Page;
    return limit > 200 ? { status: 422 } : { status: 200, body: whole.slice(offset, offset + limit) };
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
}

test('limits that the server has for its deployments are left out, with the reason, and that is no failure', async () => {
  const { keeper } = ours;
  const name = 'deployment:0f8fad5b-d9cb-469f-a165-70867728950e';
  const source = await prefectWith([
    { name, limit: 7 },
    { name: 'deployment:mine', limit: 2 },
  ]);
  const { code, stdout } = await take(source, '--json');
  expect([code, JSON.parse(stdout)]).toMatchObject([
    0,
    [
      { name, outcome: 'left-out', reason: expect.stringContaining('deployment') },
      { name: 'deployment:mine', outcome: 'created' },
    ],
  ]);
  await expect(keeper.limits.get(name)).rejects.toMatchObject({ code: 'LIMIT_NOT_FOUND' });
  expect((await take(source)).stdout).toMatch(/left out: it is of a deployment[\s\S]*1 left out/);
});

function take(source: string, ...more: string[]): Promise<Ending> {
  return slotkeeper('import', 'prefect', source, '--url', ours.url, ...more);
}

test("the server's own address is no Prefect server, however it is written, and nothing is changed", async () => {
  const { keeper, url } = ours;
  await keeper.limits.set('db', { slots: 2 });
  const { port } = new URL(url);
  for (const source of [`${url}/api`, url, `http://localhost:${port}/api/`, `http://[::1]:${port}/api`]) {
    const { code, stdout, stderr } = await take(source);
    expect([source, code, stdout]).toEqual([source, 1, '']);
    expect(stderr).toMatch(/is the Slotkeeper server at \S+ itself.*--upstream/);
  }
});

test('limits of either kind, of tags, and inactive ones are taken over; a second time nothing is left to do', async () => {
  const { keeper } = ours;
  const source = await prefectWith([
    { name: 'db', limit: 4 },
    { name: 'emails', limit: 20, slot_decay_per_second: 0.016, active_slots: 3 },
    { name: 'tag:etl', limit: 0, active: false },
  ]);
  const first = await take(source, '--json');
  expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
  const same = { before: null, reason: null, deployments: [] };
  expect(JSON.parse(first.stdout)).toEqual([
    { name: 'db', outcome: 'created', slots: 4, slotDecayPerSecond: null, active: true, inUse: 0, ...same },
    { name: 'emails', outcome: 'created', slots: 20, slotDecayPerSecond: 0.016, active: true, inUse: 3, ...same },
    { name: 'tag:etl', outcome: 'created', slots: 0, slotDecayPerSecond: null, active: false, inUse: 0, ...same },
  ]);
  expect(await keeper.limits.get('emails')).toMatchObject({ slots: 20, slotDecayPerSecond: 0.016, taken: 0 });
  expect(await keeper.limits.get('tag:etl')).toMatchObject({ slots: 0, slotDecayPerSecond: null, active: false });
  const again = await take(source, '--json');
  expect(JSON.parse(again.stdout)).toMatchObject(Array(3).fill({ outcome: 'unchanged' }));
});

test('a limit that differs becomes as theirs, and keeps what only ours has; what was there is told', async () => {
  const { keeper } = ours;
  await keeper.limits.set('db', { slots: 9, rate: '3/second', maxWaiters: 7, description: 'ours' });
  await keeper.limits.set('of ours alone', { slots: 1 });
  const source = await prefectWith([{ name: 'db', limit: 4, active: false }]);
  const { stdout } = await take(source);
  expect(stdout).toContain('updated, was 9 slots, 3/s, active');
  expect(stdout).toContain('1 limit there: 0 created, 1 updated, 0 unchanged, 0 left out.');
  const settings = { slots: 4, slotDecayPerSecond: null, active: false, maxWaiters: 7, description: 'ours' };
  expect(await keeper.limits.get('db')).toMatchObject(settings);
  expect(await keeper.limits.get('of ours alone')).toMatchObject({ slots: 1 });
});

test('what ours cannot have is left out with the reason, the rest is taken over, and the exit code is 1', async () => {
  const { keeper } = ours;
  const source = await prefectWith([
    { name: 'a'.repeat(256), limit: 1 },
    { name: 'below zero', limit: -1 },
    { name: 'endless', limit: 1, slot_decay_per_second: 1e308 },
    { name: 'huge', limit: 2 ** 31 },
    { name: 'none\0such', limit: 1 },
    { name: 'sound', limit: 1 },
  ]);
  const { code, stdout, stderr } = await take(source, '--json');
  expect({ code, stderr }).toEqual({ code: 1, stderr: '5 limits could not be taken over.\n' });
  expect(JSON.parse(stdout)).toMatchObject([
    { outcome: 'refused', reason: expect.stringMatching(/^name must be 255 characters/) },
    { outcome: 'refused', reason: expect.stringMatching(/^slots must be .* but was -1$/) },
    { outcome: 'refused', reason: expect.stringMatching(/^slotDecayPerSecond must be .* but was 1e\+308$/) },
    { outcome: 'refused', reason: expect.stringMatching(/^slots must be .* but was 2147483648$/) },
    { outcome: 'refused', reason: expect.stringMatching(/^name must be .* without NUL/) },
    { name: 'sound', outcome: 'created' },
  ]);
  const names: string[] = [];
  for await (const { name } of keeper.limits.list()) names.push(name);
  expect(names).toEqual(['sound']);
  expect((await take(source)).stdout).toContain('below zero');
});

test('a limit that runs of deployments take as well is named with them: it is counted twice', async () => {
  const named = (name: string, limit: string | null) => ({ name, global_concurrency_limit: limit && { name: limit } });
  const deployments = [
    named('nightly', 'db'),
    ...Array.from({ length: 199 }, (_, i) => named(`free ${i}`, null)),
    named('hourly', 'db'),
  ];
  let asked = 0;
  const source = await prefectWith(
    [
      { name: 'db', limit: 4 },
      { name: 'idle', limit: 1 },
    ],
    ({ url }) =>
      url === '/api/deployments/filter'
        ? { status: 200, body: asked++ % 2 === 0 ? deployments.slice(0, 200) : deployments.slice(200) }
        : undefined,
  );
  expect((await take(source)).stdout).toMatch(
    /^'db' also limits runs of deployments \('nightly', 'hourly'\): .*above it\.$/m,
  );
  expect(JSON.parse((await take(source, '--json')).stdout)).toMatchObject([
    { name: 'db', deployments: ['nightly', 'hourly'] },
    { name: 'idle', deployments: [] },
  ]);
});

test('all pages are read', async () => {
  const limits = Array.from({ length: 400 }, (_, i) => ({ name: `limit ${String(i).padStart(3, '0')}`, limit: i }));
  const { stdout } = await take(await prefectWith(limits));
  expect(stdout).toContain('400 limits there: 400 created, 0 updated, 0 unchanged, 0 left out.');
});

test('slots in use there are named, and free here', async () => {
  const { keeper } = ours;
  const source = await prefectWith([
    { name: 'busy', limit: 4, active_slots: 3 },
    { name: 'idle', limit: 4 },
  ]);
  const { stdout } = await take(source);
  expect(stdout).toMatch(/^Slots in use there are not taken over, here they are free: 'busy'\.$/m);
  expect(await keeper.limits.get('busy')).toMatchObject({ taken: 0, free: 4 });
});

test('a server without limits is no failure', async () => {
  const source = await prefectWith([]);
  expect(await take(source)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^There are no limits\./) });
  expect(JSON.parse((await take(source, '--json')).stdout)).toEqual([]);
});

test('a server that is busy is asked again', async () => {
  let busy = 2;
  const source = await prefectWith([{ name: 'db', limit: 4 }], () => (busy-- > 0 ? { status: 503 } : undefined));
  expect(await take(source)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 created') });
});

test('a Slotkeeper server can be the source, too: its key is given as that of a Prefect server', async () => {
  const { url: source } = await startServer(['--api-key', 'theirs']);
  const there = await connect(source, { apiKey: 'theirs' });
  onTestFinished(() => there.close());
  await there.limits.set('db', { slots: 4 });
  expect(await take(source)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('--auth-string') });
  const taken = await take(source, '--prefect-api-key', 'theirs');
  expect(taken).toMatchObject({ code: 0, stdout: expect.stringContaining('1 created') });
});

test('credentials are found where programs of Prefect have them, and the auth string goes first', async () => {
  const { url } = ours;
  const shown: (string | undefined)[] = [];
  const source = await prefectWith([], ({ headers }) => {
    shown.push(headers.authorization);
    return undefined;
  });
  const take = (env: Record<string, string>) => start(['import', 'prefect', source, '--url', url], env).ended;
  expect(await take({ PREFECT_API_KEY: 'key' })).toMatchObject({ code: 0 });
  expect(await take({ PREFECT_API_KEY: 'key', PREFECT_API_AUTH_STRING: 'me:secret' })).toMatchObject({ code: 0 });
  expect([...new Set(shown)]).toEqual(['Bearer key', `Basic ${btoa('me:secret')}`]);
});

test.each([
  ['nobody there', async () => 'http://127.0.0.1:9/api', /cannot be reached: \S.*Is it running/],
  ['no Prefect API', () => prefectWith([], () => ({ status: 404 })), /no Prefect API at .*404.*PREFECT_API_URL/],
  ['another answer', () => prefectWith([], () => ({ status: 200, body: 'hello' })), /no Prefect API at/],
])('%s is one sentence, and ours is not asked', async (_what, source, sentence) => {
  const { code, stdout, stderr } = await slotkeeper(
    'import',
    'prefect',
    await source(),
    '--url',
    'http://127.0.0.1:13',
  );
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^[^\n]+\n$/);
});

test('a Prefect server in place of ours is one sentence that names the option', async () => {
  const source = await prefectWith([]);
  const { code, stdout, stderr } = await slotkeeper('import', 'prefect', source, '--url', source);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe('The address of --url (SLOTKEEPER_URL) is a Prefect API but not of a Slotkeeper server.\n');
});

test.each(['nowhere', 'ftp://127.0.0.1/api', 'http://me:secret@127.0.0.1:4200/api'])(
  'an address that cannot be is wrong usage: %s',
  async (address) => {
    const { code, stdout, stderr } = await slotkeeper('import', 'prefect', address);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('http://127.0.0.1:4200/api');
  },
);
