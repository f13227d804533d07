/** Over real sockets, on this machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { jsonCodec, type ServerFrame, type ServerMessage } from '@slotkeeper/protocol';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { connect } from '../src/index.ts';
import { dialWebSocket } from '../src/websocket.ts';
import { granted } from './scripted-server.ts';

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Welcomes every session, acknowledges every frame, and grants nothing but the limit `free`. `upgrade`: the HTTP status of an upgrade. */
async function greeter(health: object = { server: 'slotkeeper' }, upgrade = () => 101): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === '/healthz') response.end(JSON.stringify(health));
    else response.writeHead(404).end();
  });
  const sockets = new WebSocketServer({
    server,
    path: '/session',
    verifyClient: (_, verified) => {
      const status = upgrade();
      verified(status === 101, status);
    },
  });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      const { number, messages } = jsonCodec.decodeClientFrame(String(data));
      const isReady = messages.some(({ type }) => type === 'ready');
      const free = messages.flatMap((message) =>
        message.type === 'acquire' && message.request.amounts[0]?.[0] === 'free'
          ? [granted(message.request.leaseId)]
          : [],
      );
      const welcome: ServerMessage[] = isReady
        ? [{ type: 'welcome', server: 'greeter', ttlMs: 15_000, version: 3 }]
        : [];
      for (const text of jsonCodec.encodeServerFrame({ ack: number, messages: [...welcome, ...free] }))
        socket.send(text);
      if (messages.some(({ type }) => type === 'bye')) socket.close();
    });
  });
  opened.push(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  return listen(server);
}

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer();
  const url = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return url;
}

test('frames that are sent before the socket is open arrive in order', async () => {
  const url = await greeter();
  const acks = await new Promise<number[]>((resolve, reject) => {
    const heard: number[] = [];
    const frame = ({ ack }: ServerFrame): void => {
      heard.push(ack);
      if (heard.length < 3) return;
      channel.close();
      resolve(heard);
    };
    const events = { frame, garbled: reject, closed: reject };
    const channel = dialWebSocket({ address: url, sessionUrl: `${url}/session` }, events, reject);
    for (const number of [1, 2, 3]) channel.send({ number, messages: [] });
  });
  expect(acks).toEqual([1, 2, 3]);
});

test('the default address is that of SLOTKEEPER_URL; close says goodbye', async () => {
  process.env.SLOTKEEPER_URL = await greeter();
  opened.push(() => {
    delete process.env.SLOTKEEPER_URL;
  });
  const statuses: string[] = [];
  const closed = Promise.withResolvers<void>();
  const keeper = await connect(undefined, {
    onStatus: (status) => {
      statuses.push(status);
      if (status === 'closed') closed.resolve();
    },
  });
  expect(keeper.status).toBe('connected');
  await keeper.close();
  await closed.promise;
  expect(statuses).toEqual(['connected', 'closed']);
});

test('nobody at the address is an error that names it, with the reason', async () => {
  const url = await nobody();
  const error = await connect(url, { connectTimeoutSeconds: 0.1 }).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', details: { address: url } });
  expect((error as Error).message).toContain('ECONNREFUSED');
  expect((error as Error).message).toContain('npx @slotkeeper/server serve');
});

test('a server of another kind at the address is an error at once, with what it answered', async () => {
  const url = await listen(createServer((_, response) => response.writeHead(404).end()));
  await expect(connect(url)).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    details: { address: url },
    message: expect.stringMatching(/404.*no Slotkeeper server.*without a path/),
  });
});

test('a proxy that says to come back is asked again', async () => {
  const upgrades = [503, 502, 101];
  const keeper = await connect(await greeter(undefined, () => upgrades.shift()!));
  expect(upgrades).toEqual([]);
  await keeper.close();
});

test('an error of connect has the stack of its call', async () => {
  const url = await nobody();
  const theProgram = async (): Promise<unknown> => await connect(url, { connectTimeoutSeconds: 0.1 });
  const error = await theProgram().catch((error: unknown) => error);
  expect((error as Error).stack).toContain('theProgram');
});

test('behind the address of a Prefect API a Slotkeeper server is detected', async () => {
  const keeper = await connect(`${await greeter()}/api`);
  expect(keeper.status).toBe('connected');
  await keeper.close();
});

test('any other Prefect API is refused, and the error says what works there', async () => {
  const url = await greeter({ status: 'fine' });
  await expect(connect(`${url}/api`)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    details: { field: 'url' },
    message: expect.stringContaining('slotkeeper/v1'),
  });
});

test('behind the address of a Prefect API nobody is an error that names the address, with the reason', async () => {
  const url = `${await nobody()}/api`;
  await expect(connect(url, { connectTimeoutSeconds: 0.1 })).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    details: { address: url },
    message: expect.stringMatching(/\/api cannot be reached: .*ECONNREFUSED/),
  });
});

test('behind the address of a Prefect API it is asked again until a server is there', async () => {
  const origin = await greeter();
  let asked = 0;
  const proxy = createServer(async (request, response) => {
    asked += 1;
    if (asked === 1) request.socket.destroy();
    else if (asked === 2) response.writeHead(503).end();
    else response.end(await (await fetch(origin + request.url)).text());
  });
  const url = await listen(proxy);
  proxy.on('upgrade', (request, socket) => {
    socket.end(`HTTP/1.1 404 for ${request.url}\r\n\r\n`);
  });
  await expect(connect(`${url}/api`)).rejects.toMatchObject({ message: expect.stringContaining('404') });
  expect(asked).toBe(3);
});

test.each([
  [{ ttlSeconds: 1 }, 'ttlSeconds'],
  [{ ttlSeconds: 301 }, 'ttlSeconds'],
  [{ connectTimeoutSeconds: -1 }, 'connectTimeoutSeconds'],
  [{ defaults: { timeoutSeconds: Number.NaN } }, 'defaults.timeoutSeconds'],
  [{ defaults: { priority: 1e9 } }, 'defaults.priority'],
  [{ defaults: { onMissing: { slots: -1 } } }, 'defaults.onMissing.slots'],
  [{ label: 'x'.repeat(256) }, 'label'],
  [{ heartbeat: 'worker' } as object, 'heartbeat'],
  [{ onStatus: 5 } as object, 'onStatus'],
  [{ onWarning: 'x' } as object, 'onWarning'],
  [{ defaults: { timeout: 5 } } as object, 'defaults.timeout'],
  [{ defaults: { timeoutSeconds: null } } as object, 'defaults.timeoutSeconds'],
  ...['apiKey', 'label', 'ttlSeconds', 'connectTimeoutSeconds', 'defaults', 'onStatus', 'onWarning'].map(
    (name): [object, string] => [{ [name]: null }, name],
  ),
  [null as unknown as object, 'options'],
])('options that are not allowed are refused by their field: %j', async (options, field) => {
  await expect(connect('http://127.0.0.1:9', options)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    details: { field },
  });
});

test.each([5, null, ''])('%j is no address', async (url) => {
  await expect(connect(url as string)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'url' } });
});

/** Runs a program that has `connect` and the greeter's address; resolves to what it printed once it has ended by itself. */
async function run(program: string, url: string): Promise<{ output: string; code: number | null }> {
  const index = fileURLToPath(new URL('../src/index.ts', import.meta.url));
  const source = `import * as slotkeeper from ${JSON.stringify(index)}; const url = ${JSON.stringify(url)}; ${program}`;
  const child = spawn(
    process.execPath,
    ['--conditions=slotkeeper:source', '--expose-gc', '--input-type=module', '--eval', source],
    { cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  opened.push(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { output, code };
}

test('a keeper that neither waits nor holds lets its process end', async () => {
  const { output, code } = await run(`await slotkeeper.connect(url); console.log('connected');`, await greeter());
  expect(output).toBe('connected\n');
  expect(code).toBe(0);
});

test('a keeper that waits for something keeps its process alive', async () => {
  const program = `
    const keeper = await slotkeeper.connect(url);
    const controller = new AbortController();
    const waiting = keeper.acquire('db', { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 300).unref();
    await waiting.catch((error) => console.log(error.message));`;
  const { output, code } = await run(program, await greeter());
  expect(output).toBe('enough\n');
  expect(code).toBe(0);
});

test('a lease that is dropped and not released is warned of', async () => {
  const program = `
    process.on('warning', ({ name, code, message }) => {
      console.log(name, code, message.includes('never released'));
      process.exit();
    });
    const keeper = await slotkeeper.connect(url);
    await (async () => { await keeper.acquire('free'); })();
    setInterval(gc, 10);`;
  const { output } = await run(program, await greeter());
  expect(output).toContain('SlotkeeperWarning LEASE_COLLECTED true');
});

test('what limits nothing is told to the process, once of each limit and code, where the program does not listen', async () => {
  const program = `
    process.on('warning', ({ code, message }) => console.log(code, /'(.*?)'/.exec(message)[1]));
    const keeper = await slotkeeper.connect('embedded:');
    await keeper.limits.ensure('off', { slots: 1, active: false });
    for (const limit of ['off', 'none', 'off', 'none']) await keeper.concurrency(limit, { onMissing: 'allow' }, () => {});
    await keeper.close();`;
  const { output, code } = await run(program, '');
  expect(output.split('\n').filter((line) => line.startsWith('LIMIT'))).toEqual([
    'LIMIT_INACTIVE off',
    'LIMIT_MISSING none',
  ]);
  expect(code).toBe(0);
});

test('the default keeper connects at first use, asks for nothing where nothing is wanted, and connects again after close', async () => {
  const program = `
    const { concurrency, acquire, close } = slotkeeper;
    process.env.SLOTKEEPER_URL = 'http://127.0.0.1:1';
    console.log(await concurrency([], ({ limits }) => limits.length));
    console.log((await concurrency('free').catch((error) => error)).details.field);
    process.env.SLOTKEEPER_URL = url;
    console.log(await concurrency('free', ({ token }) => token));
    await close();
    const lease = await acquire('free');
    console.log(lease.token, lease.signal.aborted);
    await close();
    console.log(lease.signal.reason.code);`;
  const { output, code } = await run(program, await greeter());
  expect(output).toBe('0\nbody\n7\n7 false\nLEASE_LOST\n');
  expect(code).toBe(0);
});
