import { describe, expect, it } from 'vitest';
import { ApiServer, type Connection } from './prefect-server.ts';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

async function expectRefused(connection: Connection, credentials: readonly string[]): Promise<void> {
  const requests: readonly (readonly [string, string])[] = [
    ['GET', '/health/'],
    ['HEAD', '/health'],
    ['POST', '/health'],
    ['GET', '/version'],
    ['GET', '/csrf-token'],
    ['GET', '/unknown'],
    ['GET', '/concurrency_limits/tag/t'],
    ['POST', '/concurrency_limits/'],
    ['POST', '/v2/concurrency_limits/increment'],
    ['DELETE', '/v2/concurrency_limits/%2F'],
  ];
  for (const [method, path] of requests) {
    for (const authorization of ['', ...credentials]) {
      const headers = { ...(authorization && { authorization }), 'x-prefect-api-version': 'abc' };
      const answer = await connection.ask(method, path, { headers, bytes: Buffer.from('{') });
      const told = [path, authorization, answer.status, answer.headers['www-authenticate']];
      expect(told).toEqual([path, authorization, 401, undefined]);
      if (method !== 'HEAD') expect(answer.body).toEqual({ exception_message: 'Unauthorized' });
    }
  }
}

async function expectOpen(connection: Connection, authorization: string): Promise<void> {
  for (const path of ['/health', '/ready']) expect((await connection.ask('GET', path)).status).toBe(200);
  const headers = { authorization };
  expect((await connection.ask('GET', '/version', { headers })).body).toBe('0.8.4');
  expect((await connection.post('/v2/concurrency_limits/filter', {}, { headers })).body).toEqual([]);
}

describe('everything but the two probes needs', () => {
  it('the API key, before any other check', async () => {
    const connection = (await ApiServer.start({ apiKey: 'secret' })).connect();
    await expectRefused(connection, ['Bearer wrong', 'bearer secret', 'Basic secret', basic('secret')]);
    await expectOpen(connection, 'Bearer secret');
  });

  it('the auth string, before any other check', async () => {
    const connection = (await ApiServer.start({ authString: 'user:pä:ss' })).connect();
    const right = basic('user:pä:ss');
    const wrong = [basic('user:'), right.replace('Basic', 'basic'), right.replace('Basic', 'Bearer')];
    await expectRefused(connection, [...wrong, 'Bearer user:pass', 'Basic user:pass', 'Basic']);
    await expectOpen(connection, right);
  });

  it('one of the two, where both are set', async () => {
    const connection = (await ApiServer.start({ apiKey: 'secret', authString: 'user:pass' })).connect();
    await expectRefused(connection, [basic('secret'), 'Bearer user:pass']);
    await expectOpen(connection, basic('user:pass'));
    await expectOpen(connection, 'Bearer secret');
  });
});
