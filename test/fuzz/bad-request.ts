/** Requests to Prefect's v1 paths that are valid, or a little off. */
import { randomUUID } from 'node:crypto';
import { type Agent, type IncomingMessage, request } from 'node:http';
import type { Random } from '../random.ts';
import { damagedText, type Json, mutated, toText } from './mutate.ts';

export interface BadRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer | null;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const LIMITS = '/api/concurrency_limits';
const TAGS = ['a', 'b', 'none', '__proto__', 'é', ''];
const SEGMENTS = [
  '%zz',
  '%',
  '%00',
  '%ff',
  '%c3%28',
  '%ed%a0%80',
  '%2f',
  '..',
  '%2e%2e',
  ';a',
  '*',
  '::',
  '__proto__',
  'x'.repeat(300),
  'x'.repeat(5_000),
];
const QUERIES = ['', '', '?', '?a=%zz', '?client=x', '?__proto__=1', `?${'a=1&'.repeat(1_500)}`, '?client[]=x', '#x'];
const CONTENT_TYPES = [
  'application/json',
  'application/json; charset=latin1',
  'application/vnd.x+json',
  'text/plain',
  'multipart/form-data',
  'application/x-www-form-urlencoded',
  '',
  ';',
  'é',
];

/** Limits and ids that there are, so that requests hit something. */
export interface Known {
  readonly ids: readonly string[];
  readonly runs: readonly string[];
}

export function badRequest(random: Random, known: Known): BadRequest {
  const valid = validRequest(random, known);
  const dice = random.next();
  if (dice < 0.25) return valid;
  const body = valid.body === null ? null : Buffer.from(badBody(random, valid.body));
  if (dice < 0.65) return { ...valid, body };
  if (dice < 0.75) return { ...valid, path: badPath(random, valid.path) };
  if (dice < 0.85) return { ...valid, headers: { ...valid.headers, ...badHeaders(random) } };
  if (dice < 0.9)
    return {
      ...valid,
      method: random.pick([
        'PUT',
        'PATCH',
        'DELETE',
        'GET',
        'POST',
        'OPTIONS',
        'HEAD',
        'TRACE',
        'PROPFIND',
        'MKCOL',
        'QUERY',
      ]),
    };
  return {
    method: valid.method,
    path: badPath(random, valid.path),
    headers: { ...valid.headers, ...badHeaders(random) },
    body,
  };
}

function validRequest(random: Random, { ids, runs }: Known): BadRequest {
  const tag = random.pick(TAGS);
  const run = random.pick(runs);
  const names = TAGS.filter(() => random.next() < 0.4);
  const id = ids.length > 0 && random.next() < 0.8 ? random.pick(ids) : randomUUID();
  const inPath = encodeURIComponent(tag);
  const post = (path: string, body: Json): BadRequest => ({
    method: 'POST',
    path: `${LIMITS}${path}`,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(toText(body)),
  });
  const bare = (method: string, path: string): BadRequest => ({ method, path, headers: {}, body: null });
  return random.pick([
    () => post('/', { tag, concurrency_limit: random.pick([0, 1_000, 2_000]) }),
    () => post('/', { tag, concurrency_limit: 1_000 }),
    () => post('/filter', { limit: random.integer(0, 200), offset: random.integer(0, 3) }),
    () => post('/increment', { names, task_run_id: run }),
    () => post('/increment', { names, task_run_id: run }),
    () => post('/decrement', { names, task_run_id: run, occupancy_seconds: 0.5 }),
    () => post(`/tag/${inPath}/reset`, random.pick<Json>([{}, { slot_override: null }, { slot_override: [run] }])),
    () => bare('GET', `${LIMITS}/tag/${inPath}`),
    () => bare(random.pick(['GET', 'DELETE']), `${LIMITS}/${id}`),
    () => bare('DELETE', `${LIMITS}/tag/${inPath}`),
    () =>
      bare(
        'GET',
        random.pick([
          '/api/health',
          '/api/version',
          '/api/ready',
          '/api/admin/version',
          '/api/csrf-token?client=x',
          '/api/none',
        ]),
      ),
  ])();
}

function badBody(random: Random, body: Buffer): Buffer {
  const dice = random.next();
  if (dice < 0.75) return Buffer.from(toText(mutated(random, JSON.parse(body.toString()) as Json)));
  if (dice < 0.9) return Buffer.from(damagedText(random, body.toString()));
  // Bytes that are not UTF-8.
  const at = random.integer(0, body.length);
  return Buffer.concat([
    body.subarray(0, at),
    Buffer.from([random.pick([0xff, 0xc3, 0xed, 0x80, 0])]),
    body.subarray(at),
  ]);
}

function badPath(random: Random, path: string): string {
  const parts = path.split('/');
  const at = random.integer(1, parts.length - 1);
  const segment = random.pick(SEGMENTS);
  if (random.next() < 0.5) parts[at] = segment;
  else parts.splice(at, 0, random.pick(['', segment]));
  // From the prefix on, so that the request still goes to Prefect's API.
  const within = parts.join('/').replace(/^\/(?!api\/)[^/]*/, '/api');
  return within + random.pick(QUERIES);
}

function badHeaders(random: Random): BadRequest['headers'] {
  return random.pick<BadRequest['headers']>([
    { 'content-type': random.pick(CONTENT_TYPES).replace('é', '\u00e9') },
    { 'x-prefect-api-version': random.pick(['', '0.8.4', '0.8', 'x.y.z', '99999999999999999999.0.0', '0.8.4, 0.8.4']) },
    { authorization: random.pick(['', 'Bearer', 'Bearer  x', 'Basic %%%', 'x'.repeat(5_000)]) },
    { accept: '\u00ff', 'accept-encoding': 'gzip, br;q=x', cookie: '=;=;' },
    { 'x-forwarded-for': ['1', '2', '3'], host: '' },
    { expect: '100-continue' },
    { 'content-encoding': random.pick(['gzip', 'br', 'x']) },
    Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'y'.repeat(100)])),
  ]);
}

/** Undefined if nothing was answered for so long. */
export async function send(
  url: string,
  agent: Agent,
  { method, path, headers, body }: BadRequest,
  deadlineMs: number | null = 400,
): Promise<Answer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
  const { hostname, port } = new URL(url);
  const sent = request({
    agent,
    hostname,
    port,
    method,
    path,
    headers: { ...headers, ...(body && { 'content-length': body.length }) },
  });
  let isOver = false;
  const giveUp = (): void => {
    isOver = true;
    sent.destroy();
  };
  const timer = deadlineMs === null ? undefined : setTimeout(giveUp, deadlineMs);
  sent.on('response', (response) => void read(response).then(resolve, reject));
  sent.on('error', (error) => (isOver ? resolve(undefined) : reject(error)));
  sent.on('close', () => clearTimeout(timer));
  sent.end(body ?? undefined);
  return await promise;
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'] ?? '',
    text: Buffer.concat(chunks).toString(),
  };
}
