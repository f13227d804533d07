/** The command with a server behind it. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'slotkeeper';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { slotkeeper, start, startServer, temporaryFolder } from '../../../server/test/command/built-command.ts';
import { startBehind } from './scene.ts';

const told = (request: IncomingMessage, response: ServerResponse): void =>
  void response.end(`${request.url} ${request.headers.authorization ?? 'nobody'}`);

test('limits and sessions are its own, all else is asked of the upstream, each with its own credentials', async () => {
  const { url: upstream } = await startBehind(told);
  const { url } = await startServer([
    '--upstream',
    `${upstream}/api`,
    '--api-key',
    'sesame',
    '--upstream-api-key',
    'theirs',
  ]);
  const text = async (path: string, headers = {}): Promise<string> => (await fetch(url + path, { headers })).text();
  const authorization = 'Bearer sesame';
  expect(await text('/')).toContain('Unauthorized');
  expect(await text('/', { authorization })).toBe('/ Bearer theirs');
  expect(await text('/api/health')).toBe('/api/health nobody');
  expect(await text('/api/flows/?x=%zz', { authorization })).toBe('/api/flows/?x=%zz Bearer theirs');
  expect(await text('/api/v2/concurrency_limits/db')).toContain('Unauthorized');
  expect(await text('/api/v2/concurrency_limits/db', { authorization })).toContain('Limit not found');
  expect(JSON.parse(await text('/healthz'))).toMatchObject({ server: 'slotkeeper' });
  const keeper = await connect(url, { apiKey: 'sesame' });
  onTestFinished(() => keeper.close());
  expect(await keeper.limits.ensure('db', { slots: 1 })).toMatchObject({ name: 'db' });
});

test('a page elsewhere is refused limits; of all else it is for the upstream to judge', async () => {
  const { url: upstream } = await startBehind(told);
  const { url } = await startServer(['--upstream', upstream]);
  const headers = { origin: 'http://elsewhere.example' };
  expect((await fetch(`${url}/api/concurrency_limits/filter`, { method: 'POST', headers })).status).toBe(403);
  expect((await fetch(`${url}/api/flows/filter`, { method: 'POST', headers })).status).toBe(200);
  const [error] = await once(new WebSocket(`${url}/session`, { headers }), 'error');
  expect(error.message).toContain('403');
});

test('the upstream is taken from its variable, and ends in order with requests and WebSockets open', async () => {
  const { url: upstream, server } = await startBehind();
  const data = await temporaryFolder();
  const run = start(['serve', '--port', '0', '--data', data], { SLOTKEEPER_UPSTREAM: upstream });
  const [, url] = await run.printed(/ready on (\S+)/);
  const asked = new Promise((resolve) => server.once('request', resolve));
  const upgraded = new Promise((resolve) => server.once('upgrade', resolve));
  const unanswered = fetch(`${url}/api/slow`).catch(() => undefined);
  const socket = new WebSocket(`${url}/api/logs/out`).on('error', () => {});
  await Promise.all([asked, upgraded]);
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(0);
  await unanswered;
  socket.terminate();
});

test('an auth string is asked for as a Prefect server does, and by sessions if there is no key', async () => {
  const { url } = await startServer(['--auth-string', 'admin:secret']);
  const status = async (authorization: string): Promise<number> =>
    (await fetch(`${url}/api/concurrency_limits/filter`, { method: 'POST', headers: { authorization } })).status;
  expect(await status(`Basic ${btoa('admin:secret')}`)).toBe(200);
  expect(await status(`Basic ${btoa('admin:other')}`)).toBe(401);
  expect(await slotkeeper('limit', 'ls', '--url', url)).toMatchObject({ code: 1 });
  expect(await slotkeeper('limit', 'ls', '--url', url, '--api-key', 'admin:secret')).toMatchObject({ code: 0 });
});

test.each(['prefect.example', 'ftp://x', 'http://admin:secret@x'])('%s is no upstream', async (text) => {
  const { code, stderr } = await slotkeeper('serve', '--upstream', text);
  expect(code).toBe(2);
  expect(stderr).toContain('http://127.0.0.1:4200');
});
