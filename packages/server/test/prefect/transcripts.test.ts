/** Replays what was recorded of a Prefect server, in its order. What differs on purpose is listed with its reason. */
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { type Answer, FaceServer } from './face-server.ts';
import { readLines } from './jsonl.ts';

interface Exchange {
  readonly what: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly raw_body?: string;
  };
  readonly response: Told;
}

interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const invalid = (fault: object, requestBody: unknown) => ({
  exception_message: 'Invalid request received.',
  exception_detail: [fault],
  request_body: requestBody,
});

/** By what the exchange is about. */
const OTHERWISE: Readonly<Record<string, { readonly why: string; readonly told: Partial<Told> }>> = {
  'A full one among the names. The detail names the first tag, full or not. Retry-After is 10.0, without jitter.': {
    why: 'the tag named is a full one',
    told: { body: { detail: 'Concurrency limit for the one tag has been reached' } },
  },
  'Give back. The names come back with their prefix.': {
    why: 'names as the caller gave them, in the order of the caller',
    told: {
      body: [
        { id: '<uuid>', name: 'one', limit: 1 },
        { id: '<uuid>', name: 'etl', limit: 3 },
      ],
    },
  },
  'Give back what one does not hold: the same answer, nothing changes.': {
    why: 'names as the caller gave them',
    told: { body: [{ id: '<uuid>', name: 'etl', limit: 3 }] },
  },
  'A tag with one of / % & > <.': {
    why: 'bad input is never a 5xx',
    told: {
      status: 422,
      body: invalid(
        {
          type: 'string_pattern_mismatch',
          loc: ['body', 'tag'],
          msg: "String should match pattern '^[^/%&><]+$'",
          input: 'a/b',
          ctx: { pattern: '^[^/%&><]+$' },
        },
        { tag: 'a/b', concurrency_limit: 1 },
      ),
    },
  },
  'A tag given twice never fits, however free.': {
    why: 'a tag given twice counts once',
    told: {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: [{ id: '<uuid>', name: 'dup', limit: 5 }],
    },
  },
};

/** Which id `<uuid>` stands for in a request: a fixed one of its own kind, unless the exchange is about a certain one. */
function idsOf(exchange: Exchange, holder: string, etl: string): () => string {
  if (exchange.what.startsWith('Delete by id')) return () => etl;
  const isHolder = exchange.what.startsWith('Take one slot') || exchange.what.startsWith('Give back. ');
  return isHolder ? () => holder : randomUUID;
}

function normal<T>(told: T): T {
  const text = JSON.stringify(told)
    .replaceAll(/"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"/g, '"<uuid>"')
    .replaceAll(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"/g, '"<time>"')
    .replaceAll(/"retry-after":"[\d.]+"/g, '"retry-after":"<seconds>"');
  return JSON.parse(text);
}

function toldBy({ status, headers, body }: Answer): Told {
  const kept = ['content-type', 'retry-after', 'allow', 'location'].filter((name) => headers[name] !== undefined);
  return normal({ status, headers: Object.fromEntries(kept.map((name) => [name, String(headers[name])])), body });
}

it('answers as a Prefect server does, but where it does better', async () => {
  const server = await FaceServer.start({ holdSeconds: 0 });
  const connection = server.connect();
  const holder = randomUUID();
  await server.limit('one', 1);
  await server.limit('zero', 0);
  let etl = '';
  for (const exchange of readLines<Exchange>('transcripts.jsonl')) {
    const { method, path, headers, body, raw_body: raw } = exchange.request;
    const id = idsOf(exchange, holder, etl);
    const withIds = (text: string): string => text.replaceAll('<uuid>', () => id());
    const sent =
      raw === undefined
        ? { body: body && JSON.parse(withIds(JSON.stringify(body))) }
        : { bytes: Buffer.from(raw, 'latin1') };
    if (exchange.what.startsWith('A tag given twice')) await server.limit('dup', 5);
    const asked = connection.ask(method, withIds(path), { ...sent, ...(headers && { headers }) });
    if (exchange.what.startsWith('A full one')) {
      await server.until(() => server.waiters('one').length === 1);
      await server.time.pass(0);
    }
    const answer = await asked;
    if (exchange.what === 'Create.') etl = (answer.body as { id: string }).id;
    const expected = { ...exchange.response, ...OTHERWISE[exchange.what]?.told };
    expect({ what: exchange.what, ...toldBy(answer) }).toEqual({ what: exchange.what, ...expected });
  }
});
