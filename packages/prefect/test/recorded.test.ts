/** Sends every request that Prefect 3.8.8 was sent, and expects the same answers, except for those that are listed. */
import { describe, expect, it } from 'vitest';
import { readLines } from './jsonl.ts';
import { type Answer, ApiServer, type Connection } from './prefect-server.ts';

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
type Otherwise = Readonly<Record<string, readonly [status: number, reason: string]>>;

const V1_OTHERWISE: Otherwise = {
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
  'GET /concurrency_limits/%zz': [400, 'the router refuses it before any route sees it'],
  'GET /concurrency_limits/tag/%zz': [400, 'the router refuses it before any route sees it'],
  'GET /concurrency_limits/tag/%ff': [400, 'the router refuses it before any route sees it'],
};

const V2_OTHERWISE: Otherwise = {
  'POST /v2/concurrency_limits/ {"name": "v", "limit": -1, "slot_decay_per_second": "1e1_0"}': [
    422,
    'the greatest decay is told',
  ],
  'POST /v2/concurrency_limits/increment []': [422, 'a field that does nothing is not asked for'],
};

const recordings = [
  {
    of: 'v1',
    file: 'recorded.jsonl',
    otherwise: V1_OTHERWISE,
    limits: [['/concurrency_limits/', { tag: 'etl', concurrency_limit: 2 }]],
  },
  {
    of: 'v2',
    file: 'recorded-v2.jsonl',
    otherwise: V2_OTHERWISE,
    limits: [
      ['/v2/concurrency_limits/', { name: 'db', limit: 3 }],
      ['/v2/concurrency_limits/', { name: 'off', limit: 1, active: false }],
    ],
  },
] as const;

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

/** Of malformed JSON and UUIDs the fault is the same; what it is in detail is said in the words of another parser. */
function inOurWords<T extends { readonly type: string }>(fault: T): T {
  const ctx = { error: expect.any(String) };
  if (fault.type === 'json_invalid') return { ...fault, loc: ['body'], ctx };
  if (fault.type === 'uuid_parsing')
    return { ...fault, msg: expect.stringMatching(/^Input should be a valid UUID, /), ctx };
  return fault;
}

/** What was recorded, in so far as it is compared. */
function expectedOf(recorded: Recorded) {
  const { status, allow, body, detail } = recorded;
  const invalid = detail && {
    exception_message: 'Invalid request received.',
    exception_detail: detail.map(inOurWords),
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

describe.each(recordings)('asked what a Prefect server was asked of $of, this one', ({ file, otherwise, limits }) => {
  const recorded = readLines<Recorded>(file);

  async function start(): Promise<Connection> {
    const connection = (await ApiServer.start()).connect();
    for (const [path, body] of limits) await connection.post(path, body);
    return connection;
  }

  it('answers the same', async () => {
    const connection = await start();
    const same = recorded.filter((exchange) => !(nameOf(exchange) in otherwise));
    for (const exchange of same) {
      const expected = expectedOf(exchange);
      const answer = await ask(connection, exchange);
      expect({ asked: exchange, ...seenOf(answer, expected) }).toEqual({ asked: exchange, ...expected });
    }
  });

  it('does better where a Prefect server fails or helps less', async () => {
    const connection = await start();
    for (const [name, [status, reason]] of Object.entries(otherwise)) {
      const exchange = recorded.find((one) => nameOf(one) === name);
      if (!exchange) throw new Error(`${name} was not recorded`);
      const answer = await ask(connection, exchange);
      expect({ name, reason, status: answer.status }).toEqual({ name, reason, status });
    }
  });
});
