/** Which version of Prefect clients are told. */
import { expect, test } from 'vitest';
import { ApiServer } from './prefect-server.ts';

test.each([
  ['prefect/3.9.1 (API 0.8.4)', '3.9.1'],
  ['prefect/3.0.0 (API 0.8.4)', '3.0.0'],
  ['prefect/3.8.4.dev6 (API 0.8.4)', '3.8.4.dev6'],
  ['prefect/3.9.2 (API 0.8.4)', '3.8.8'],
  ['prefect/3.10.0 (API 0.8.5)', '3.8.8'],
  ['prefect/2.20.4 (API 0.8.4)', '3.8.8'],
  ['prefect/4.0.0 (API 1.0.0)', '3.8.8'],
  ['prefect/3.9.1"x (API 0.8.4)', '3.8.8'],
  ['python-httpx/0.28', '3.8.8'],
])('a client that says %s is told %s', async (agent, version) => {
  const server = await ApiServer.start();
  const headers = { 'user-agent': agent };
  expect((await server.connect().ask('GET', '/admin/version', { headers })).body).toBe(version);
});

test('a version that the server was given is told to all', async () => {
  const server = await ApiServer.start({ prefectVersion: '3.7.0' });
  const headers = { 'user-agent': 'prefect/3.9.1 (API 0.8.4)' };
  expect((await server.connect().ask('GET', '/admin/version', { headers })).body).toBe('3.7.0');
});
