/** DNS rebinding: a page whose name was re-pointed at this machine asks a server that has no key. Over real sockets. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test as it, onTestFinished } from 'vitest';
import { hostCheck } from '../src/known-host.ts';
import { serve } from '../src/serve.ts';

const PATHS = ['/healthz', '/api/v2/concurrency_limits/filter', '/session', '/nowhere'];

async function startServer(more: { apiKey?: string; allowedHosts?: readonly string[] } = {}): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    data: join(folder, 'data'),
    apiKey: null,
    authString: null,
    upstream: null,
    v1LeaseSeconds: null,
    prefectVersion: null,
    log: pino({ level: 'silent' }),
    ...more,
  });
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return new URL(server.url);
}

/** The status with which a request by that name is answered; 101: it was upgraded. */
async function ask({ hostname, port }: URL, path: string, host: string, upgrade = false): Promise<number | undefined> {
  const headers = upgrade
    ? {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      }
    : {};
  const asked = request({ hostname, port, path, headers: { ...headers, host }, agent: false }).end();
  const [answer] = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')]);
  asked.destroy();
  return (answer as { statusCode?: number }).statusCode;
}

describe('a server on loopback without a key', () => {
  for (const path of PATHS) {
    it(`answers nothing of ${path} to the name of a page`, async () => {
      const server = await startServer();
      expect(await ask(server, path, `evil.example:${server.port}`)).toBe(421);
      expect(await ask(server, path, `evil.example:${server.port}`, true)).toBe(421);
    });
  }

  it('answers to its address, to localhost, and to a name that it was told', async () => {
    const server = await startServer({ allowedHosts: ['Keeper.internal'] });
    for (const host of [
      server.host,
      `localhost:${server.port}`,
      'localhost',
      `[::1]:${server.port}`,
      'keeper.internal',
    ])
      expect([host, await ask(server, '/healthz', host)]).toEqual([host, 200]);
    expect(await ask(server, '/session', server.host, true)).toBe(101);
  });
});

it('a server with a key answers to any name: the page has no key to show', async () => {
  const server = await startServer({ apiKey: 'secret' });
  expect(await ask(server, '/healthz', 'keeper.example')).toBe(200);
});

it('beyond loopback names are how programs find the server', () => {
  const refusalOf = hostCheck({ listensOn: '0.0.0.0', hasKey: false, allowed: [] });
  expect(refusalOf('slotkeeper:4230')).toBeUndefined();
});

it('says which name it was, and what to do', () => {
  const refusalOf = hostCheck({ listensOn: '127.0.0.1', hasKey: false, allowed: [] });
  expect(refusalOf('evil.example:80')).toMatch(/not to 'evil\.example'.*--allow-host/);
  // What looks like an address at first is none.
  for (const host of ['127.0.0.1.evil.example', 'localhost.evil.example', '', '@'])
    expect(refusalOf(host)).toBeDefined();
});
