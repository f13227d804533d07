/** A Prefect server is asked as its own client asks it, against answers a real server does not give on demand. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  type ChangeOptions,
  type Credentials,
  NoAnswerError,
  PrefectApi,
  PrefectApiError,
  readTakenLimits,
  statusLine,
  type TakenLimit,
  UnreadableAnswerError,
} from '../../src/prefect/index.ts';

interface Scripted {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

const LIMITS = [{ id: 'a', name: 'db', limit: 1 }];
const GRANT: Scripted = { status: 200, body: LIMITS };

let server: Server;
/** Each POST, and each GET of a token, as `METHOD path`. */
let asked: string[];
/** Answers in turn to what is no question for a token; `cut` ends the connection without one. A grant once they are used up. */
let answers: (Scripted | 'cut')[];
let token: Scripted;
let lastHeaders: IncomingMessage['headers'];

beforeEach(async () => {
  asked = [];
  answers = [];
  token = { status: 422, body: { detail: 'CSRF protection is disabled.' } };
  server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    asked.push(`${request.method} ${path}`);
    lastHeaders = request.headers;
    request.resume().on('end', () => {
      const answer = path.endsWith('/csrf-token') ? token : (answers.shift() ?? GRANT);
      if (answer === 'cut') return void response.destroy();
      response
        .writeHead(answer.status, answer.headers)
        .end(answer.body === undefined ? '' : JSON.stringify(answer.body));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});

afterEach(async () => {
  server.closeAllConnections();
  await once(server.close(), 'close');
});

const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
const increments = (): number => asked.filter((each) => each === 'POST /api/increment').length;

function increment(options?: ChangeOptions, credentials: Credentials = {}): Promise<Answer<readonly TakenLimit[]>> {
  return new PrefectApi(url(), credentials).change({ path: '/increment', body: {}, read: readTakenLimits }, options);
}

test('an answer is what its JSON says', async () => {
  expect(await increment()).toMatchObject({ status: 200, value: LIMITS });
  answers = [{ status: 404, body: { detail: 'Not Found' } }];
  const refused = await increment();
  expect(refused).toMatchObject({ status: 404, value: undefined });
  expect(statusLine(refused)).toBe('404 Not Found: Not Found');
});

test.each<[body: unknown]>([
  [{ exception_detail: [{ loc: ['body', 'slots'], msg: 'Input should be greater than 0' }] }],
  [{ detail: [{ loc: ['slots'], msg: 'Input should be greater than 0' }] }],
])('a refusal is one line with the field and the reason: %j', async (body) => {
  answers = [{ status: 422, body }];
  const line = 'POST /increment was answered with 422 Unprocessable Entity: slots: Input should be greater than 0';
  expect(new PrefectApiError('/increment', await increment()).message).toBe(line);
});

test.each<[body: unknown]>([['<html>Sign in</html>'], [[{ id: 'a', name: 'db' }]], [{ limits: [] }], [undefined]])(
  'a 200 that no Prefect server says is no answer, and may hide a grant: %j',
  async (body) => {
    answers = [{ status: 200, body }];
    const failure = await increment().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnreadableAnswerError);
    expect(failure).toMatchObject({ isUndecided: true });
    expect(increments()).toBe(1);
  },
);

describe('asking again', () => {
  test.each([429, 503])('a server that answers %i is asked again when it says', async (status) => {
    answers = [{ status, headers: { 'Retry-After': '0' } }];
    expect(await increment()).toMatchObject({ status: 200 });
    expect(increments()).toBe(2);
  });

  test('it is asked six times in all', async () => {
    answers = Array(9).fill({ status: 503, headers: { 'Retry-After': '0' } });
    expect(await increment()).toMatchObject({ status: 503 });
    expect(increments()).toBe(6);
  });

  test.each<[Scripted | 'cut']>([['cut'], [{ status: 502 }], [{ status: 408 }]])(
    'where an answer is lost (%j), the change is undone before it is repeated',
    async (lost) => {
      answers = [lost];
      await increment({ undo: () => ({ path: '/decrement', body: {} }) });
      expect(asked.slice(1)).toEqual(['POST /api/increment', 'POST /api/decrement', 'POST /api/increment']);
    },
  );

  test('a change that was refused as busy was not carried out, so nothing is undone', async () => {
    answers = [{ status: 503, headers: { 'Retry-After': '0' } }];
    await increment({ undo: () => ({ path: '/decrement', body: {} }) });
    expect(asked).not.toContain('POST /api/decrement');
  });

  test('an answer that nobody wants any more is not asked for again', async () => {
    answers = [{ status: 503, headers: { 'Retry-After': '3600' } }];
    expect(await increment({ unwanted: AbortSignal.abort() })).toMatchObject({ status: 503 });
    expect(increments()).toBe(1);
  });

  test('nobody at the address is said at once, with the advice', async () => {
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const address = `http://127.0.0.1:${(nobody.address() as AddressInfo).port}/api`;
    await once(nobody.close(), 'close');
    const failure = await new PrefectApi(address, {}, 'Start it.').change({ path: '/', body: {} }).catch((e) => e);
    expect(failure).toBeInstanceOf(NoAnswerError);
    expect(failure).toMatchObject({
      isUndecided: false,
      message: expect.stringMatching(/ECONNREFUSED.*\. Start it\.$/),
    });
    expect(failure.message).toContain(address);
  });

  test('the signal cuts a request off', async () => {
    const caller = new AbortController();
    const silent = createServer(() => caller.abort('no longer needed')).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const api = new PrefectApi(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, {});
    await expect(api.change({ path: '/', body: {} }, { signal: caller.signal })).rejects.toBe('no longer needed');
    silent.closeAllConnections();
    silent.close();
  });
});

describe('redirects', () => {
  test('one that would make a GET of the POST is an answer', async () => {
    answers = [{ status: 302, headers: { Location: '/api/increment' } }];
    expect(await increment()).toMatchObject({ status: 302, value: undefined });
    expect(increments()).toBe(1);
  });

  test.each([307, 308])('%i is followed', async (status) => {
    const Location = '/api/elsewhere';
    answers = [
      { status, headers: { Location } },
      { status, headers: { Location } },
    ];
    expect(await increment()).toMatchObject({ status: 200, value: LIMITS });
    expect(asked.at(-1)).toBe('POST /api/elsewhere');
  });
});

describe('credentials', () => {
  test.each<[Credentials, string | undefined]>([
    [{}, undefined],
    [{ apiKey: 'pnu_key' }, 'Bearer pnu_key'],
    [{ apiKey: 'pnu_key', authString: 'admin:pass' }, 'Basic YWRtaW46cGFzcw=='],
  ])('%o are shown as %s, with the version of the API', async (credentials, shown) => {
    await increment({}, credentials);
    expect(lastHeaders.authorization).toBe(shown);
    expect(lastHeaders['x-prefect-api-version']).toBe('0.8.4');
  });

  test('a server that has no tokens is asked for one once', async () => {
    const api = new PrefectApi(url(), {});
    await api.post('/increment', '{}');
    await api.post('/increment', '{}');
    expect(asked).toEqual(['GET /api/csrf-token', 'POST /api/increment', 'POST /api/increment']);
  });

  test('a token that has expired is asked for anew', async () => {
    token = { status: 200, body: { token: 'a', expiration: '2001-01-01T00:00:00Z' } };
    const api = new PrefectApi(url(), {});
    await api.post('/increment', '{}');
    token = { status: 200, body: { token: 'b', expiration: '2999-01-01T00:00:00Z' } };
    await api.post('/increment', '{}');
    expect(lastHeaders['prefect-csrf-token']).toBe('b');
    await api.post('/increment', '{}');
    expect(asked.filter((each) => each.startsWith('GET'))).toHaveLength(2);
  });

  test('a token that is refused twice is the answer', async () => {
    token = { status: 200, body: { token: 'a' } };
    answers = Array(2).fill({ status: 403, body: { detail: 'Invalid CSRF token or client identifier.' } });
    expect(await increment()).toMatchObject({ status: 403 });
    expect(increments()).toBe(2);
  });
});
