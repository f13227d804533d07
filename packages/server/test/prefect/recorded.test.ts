/** Asks everything that Prefect 3.8.8 was asked, and expects the same answers, but for what is listed. */
import { describe, expect, it } from 'vitest';
import { type Answer, type Connection, FaceServer } from './face-server.ts';
import { readLines } from './jsonl.ts';

interface Recorded {
  readonly request: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly raw_body?: string;
  readonly status: number;
  readonly body?: unknown;
  readonly detail?: readonly { readonly type: string }[];
  readonly allow?: string;
}

/** What is other on purpose: by the request, with the status and the reason. */
const OTHERWISE: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  'POST /concurrency_limits/ {"tag": "v", "concurrency_limit": "-1"}': [422, 'a limit is not below 0'],
  'POST /concurrency_limits/ {"tag": "v", "concurrency_limit": -1}': [422, 'a limit is not below 0'],
  'POST /concurrency_limits/ {"tag": "v", "concurrency_limit": 1e+20}': [422, 'the greatest limit is told'],
  'POST /concurrency_limits/ {"tag": "v", "concurrency_limit": "99999999999999999999"}': [422, 'no 500'],
  'POST /concurrency_limits/filter {"offset": 1e+20}': [200, 'a page beyond the end is empty'],
  'POST /concurrency_limits/filter {"limit": 1e+20}': [422, 'above the greatest page as well as 201'],
  'POST /concurrency_limits/increment [NaN': [422, 'NaN is no JSON'],
  'GET /concurrency_limits/tag/': [404, 'the empty tag has a path; here there is no such limit'],
  'GET /concurrency_limits/tag/a%2Fb': [422, 'a forbidden character is told'],
  'GET /concurrency_limits/tag/a%25b': [422, 'a forbidden character is told'],
  'DELETE /concurrency_limits/tag/a%2Fb': [422, 'a forbidden character is told'],
  'GET /concurrency_limits/%zz': [400, 'the router refuses it before any face sees it'],
  'GET /concurrency_limits/tag/%zz': [400, 'the router refuses it before any face sees it'],
  'GET /concurrency_limits/tag/%ff': [400, 'the router refuses it before any face sees it'],
};

const recorded = readLines<Recorded>('recorded.jsonl');
const nameOf = ({ request, raw_body: sent }: Recorded): string => (sent === undefined ? request : `${request} ${sent}`);

function ask(connection: Connection, { request, headers = {}, raw_body: sent }: Recorded): Promise<Answer> {
  const [method = '', path = ''] = request.split(' ');
  const given = Object.entries(headers).filter(([, value]) => value !== null) as [string, string][];
  if (sent === undefined) return connection.ask(method, path, { headers: Object.fromEntries(given) });
  const type = headers['Content-Type'] === undefined ? { 'content-type': 'application/json' } : {};
  return connection.ask(method, path, {
    bytes: Buffer.from(sent, 'latin1'),
    headers: { ...type, ...Object.fromEntries(given) },
  });
}

/** What was recorded, in so far as it is compared. */
function expectedOf(recorded: Recorded) {
  const { status, allow, body, detail } = recorded;
  const invalid = detail && {
    exception_message: 'Invalid request received.',
    exception_detail: detail,
    request_body: sentBack(recorded),
  };
  const told = invalid ?? body;
  return { status, ...(allow && { allow }), ...(told !== undefined && { body: told }) };
}

/** The request's body as it comes back: what was read of it, or its text when it could not be read. */
function sentBack({ raw_body: sent, headers, detail }: Recorded): unknown {
  if (!sent) return null;
  const text = new TextDecoder().decode(Buffer.from(sent, 'latin1'));
  const wasRead = detail?.[0]?.type !== 'json_invalid' && headers?.['Content-Type'] !== 'text/plain';
  return wasRead ? JSON.parse(text) : text;
}

function seenOf({ status, headers, body }: Answer, { allow, body: told }: ReturnType<typeof expectedOf>) {
  return { status, ...(allow && { allow: headers.allow }), ...(told !== undefined && { body }) };
}

describe('asked what a Prefect server was asked, the face', () => {
  it('answers the same', async () => {
    const server = await FaceServer.start();
    await server.limit('etl', 2);
    const connection = server.connect();
    const same = recorded.filter((exchange) => !(nameOf(exchange) in OTHERWISE));
    for (const exchange of same) {
      const expected = expectedOf(exchange);
      const answer = await ask(connection, exchange);
      expect({ asked: exchange, ...seenOf(answer, expected) }).toEqual({ asked: exchange, ...expected });
    }
  });

  it('does better where a Prefect server fails or helps less', async () => {
    const server = await FaceServer.start();
    const connection = server.connect();
    for (const [name, [status, reason]] of Object.entries(OTHERWISE)) {
      const exchange = recorded.find((one) => nameOf(one) === name);
      if (!exchange) throw new Error(`${name} was not recorded`);
      const answer = await ask(connection, exchange);
      expect({ name, reason, status: answer.status }).toEqual({ name, reason, status });
    }
  });
});
