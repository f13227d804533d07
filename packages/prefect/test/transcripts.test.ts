/** Replays what was recorded of a Prefect server, in its order. What differs on purpose is listed with its reason. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { readLines } from './jsonl.ts';
import { type Answer, ApiServer, type Connection } from './prefect-server.ts';

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
  readonly body?: unknown;
}

interface Conversation {
  readonly what: string;
  readonly websocket: {
    readonly path: string;
    readonly subprotocols: readonly string[];
    readonly messages: readonly Said[];
  };
}

type Said =
  | { readonly accepted: { readonly subprotocol: string | null } }
  | { readonly client: unknown }
  | { readonly server: unknown };

type Recorded = (Exchange | Conversation) & { readonly topic: string };

const transcripts = readLines<Recorded>('transcripts.jsonl');
const json = { 'content-type': 'application/json' };

/** By what the exchange is about. */
const OTHERWISE: Readonly<Record<string, { readonly why: string; readonly told: Partial<Told> }>> = {
  'A path with a slash too many.': {
    why: 'both paths are taken without a redirect',
    told: { status: 200, headers: json, body: limit('db', { limit: 3 }) },
  },
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
      body: {
        exception_message: 'Invalid request received.',
        exception_detail: [
          {
            type: 'string_pattern_mismatch',
            loc: ['body', 'tag'],
            msg: "String should match pattern '^[^/%&><]+$'",
            input: 'a/b',
            ctx: { pattern: '^[^/%&><]+$' },
          },
        ],
        request_body: { tag: 'a/b', concurrency_limit: 1 },
      },
    },
  },
  'Malformed JSON.': {
    why: 'the place and the words are those of another parser',
    told: {
      body: {
        exception_message: 'Invalid request received.',
        exception_detail: [
          {
            type: 'json_invalid',
            loc: ['body'],
            msg: 'JSON decode error',
            input: {},
            ctx: { error: '<words>' },
          },
        ],
        request_body: '{"names":',
      },
    },
  },
  'A tag given twice never fits, however free.': {
    why: 'a tag given twice counts once',
    told: { status: 200, headers: json, body: [{ id: '<uuid>', name: 'dup', limit: 5 }] },
  },
  "Find events by their resource. `received` is the server's.": {
    why: 'what clients tell of slots is not kept: the server tells it itself',
    told: { body: { events: [], total: 0, next_page: null } },
  },
  'After a reset the holders are gone and the slot stays taken.': {
    why: 'a reset frees the slots',
    told: { body: limit('tag:dup', { limit: 5 }) },
  },
};

function limit(name: string, shown: object): object {
  const times = { id: '<uuid>', created: '<time>', updated: '<time>' };
  return { ...times, active: true, name, active_slots: 0, slot_decay_per_second: 0, ...shown };
}

const WATCHED = 'A limit made, changed and deleted';

/** What had been made, and is not among the exchanges, before the one that is about this. */
const BEFORE: readonly (readonly [what: string, method: string, path: string, body: object])[] = [
  ['Rename onto a taken name.', 'POST', '/v2/concurrency_limits/', { name: 'gpu', limit: 1 }],
  ['An inactive limit is listed', 'POST', '/v2/concurrency_limits/', { name: 'off', limit: 1, active: false }],
  [
    'A rate limit: ten at once',
    'POST',
    '/v2/concurrency_limits/',
    { name: 'emails', limit: 10, slot_decay_per_second: 0.5 },
  ],
  ['Take one slot of each. Unknown tags', 'POST', '/concurrency_limits/', { tag: 'one', concurrency_limit: 1 }],
  ['Take one slot of each. Unknown tags', 'POST', '/concurrency_limits/', { tag: 'zero', concurrency_limit: 0 }],
  ['A tag given twice', 'POST', '/concurrency_limits/', { tag: 'dup', concurrency_limit: 5 }],
  ['After a reset', 'POST', '/concurrency_limits/tag/dup/reset', {}],
  [WATCHED, 'POST', '/v2/concurrency_limits/', { name: 'watched', limit: 1 }],
  [WATCHED, 'PATCH', '/v2/concurrency_limits/watched', { limit: 2 }],
  [WATCHED, 'DELETE', '/v2/concurrency_limits/watched', {}],
];

/** Which ids `<uuid>` stands for in requests: fixed ones of its own kind where the exchange is about a certain one. */
class Ids {
  readonly #taskRun = randomUUID();
  #limit = '';
  #lease = '';
  /** Learnt from elsewhere, since it was made and deleted before the exchanges about it. */
  watched = '';

  for({ what }: { readonly what: string }): () => string {
    if (what.startsWith('Delete by id')) return () => this.#limit;
    if (what.startsWith('Renew') || what.startsWith('Give the lease back') || what.startsWith('Give it back again')) {
      return () => this.#lease;
    }
    if ([WATCHED, 'A page of one', 'The stream'].some((start) => what.startsWith(start))) return () => this.watched;
    const isHolder = what.startsWith('Take one slot of each. Unknown tags') || what.startsWith('Give back. ');
    return isHolder ? () => this.#taskRun : randomUUID;
  }

  learn({ what }: Exchange, { body }: Answer): void {
    if (what === 'Create.') this.#limit = (body as { id: string }).id;
    if (what === 'Take with a lease and a holder.') this.#lease = (body as { lease_id: string }).lease_id;
  }
}

function filledIn<T>(sent: T, id: () => string): T {
  const text = JSON.stringify(sent)
    .replaceAll('<uuid>', () => id())
    .replaceAll('<time>', new Date().toISOString().replace('Z', '000Z'));
  return JSON.parse(text);
}

function normal<T>(told: T): T {
  const text = JSON.stringify(told)
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
    .replaceAll(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"/g, '"<time>"')
    .replaceAll(/"retry-after":"[\d.]+"/g, '"retry-after":"<seconds>"')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
    // What is wrong with a UUID is said in the words of another parser.
    .replaceAll(/Input should be a valid UUID, [^"]+/g, 'Input should be a valid UUID, <words>')
    .replaceAll(/"ctx":\{"error":"[^"]+"\}/g, '"ctx":{"error":"<words>"}')
    .replaceAll(/page-token=[\w%.-]+/g, 'page-token=<token>');
  return JSON.parse(text);
}

function toldBy({ status, headers, body }: Answer): Told {
  const kept = ['content-type', 'retry-after', 'allow', 'location'].filter((name) => headers[name] !== undefined);
  const told = Object.fromEntries(kept.map((name) => [name, String(headers[name])]));
  return normal({ status, headers: told, ...(body !== undefined && { body }) });
}

function ask(connection: Connection, { request }: Exchange, id: () => string): Promise<Answer> {
  const { method, path, headers, body, raw_body: raw } = request;
  const sent =
    raw === undefined
      ? { body: body === undefined ? body : filledIn(body, id) }
      : { bytes: Buffer.from(raw, 'latin1') };
  return connection.ask(
    method,
    path.replaceAll('<uuid>', () => id()),
    { ...sent, ...(headers && { headers }) },
  );
}

/** Says what the client said, and returns what is heard where the server was. */
async function converse(host: string, { websocket }: Conversation, id: () => string): Promise<readonly Said[]> {
  const { path, subprotocols, messages } = websocket;
  const socket = new WebSocket(`ws://${host}/api${path}`, [...subprotocols]);
  const heard: unknown[] = [];
  socket.on('message', (data) => heard.push(JSON.parse(data.toString())));
  socket.on('pong', () => heard.push('pong'));
  socket.on('close', (close, reason) => heard.push({ close, reason: reason.toString() }));
  await once(socket, 'open');
  const said: Said[] = [];
  for (const message of messages) {
    if ('accepted' in message) {
      said.push({ accepted: { subprotocol: socket.protocol || null } });
    } else if ('client' in message) {
      if (message.client === 'ping') socket.ping();
      else socket.send(JSON.stringify(filledIn(message.client, id)));
      said.push(message);
    } else {
      while (heard.length === 0) await Promise.race(['message', 'pong', 'close'].map((event) => once(socket, event)));
      said.push({ server: normal(heard.shift()) });
    }
  }
  socket.terminate();
  return said;
}

/** Resolves when so many events of the limit can be found. */
async function eventsOf(connection: Connection, limit: string, count: number): Promise<void> {
  const filter = { resource: { id: [`prefect.concurrency-limit.${limit}`] } };
  for (let total = 0; total < count; ) {
    const { body } = await connection.post('/events/filter', { filter, limit: 0 });
    total = (body as { total: number }).total;
  }
}

describe('asked what a Prefect server was asked', () => {
  const [withAuth = [], open = []] = [true, false].map((is) =>
    transcripts.filter(({ topic }) => topic.startsWith('Authentication') === is),
  );

  it('it answers the same, but where it does better', async () => {
    const server = await ApiServer.start({ holdSeconds: 0, events: true });
    const connection = server.connect();
    const ids = new Ids();
    for (const exchange of open) {
      for (const [what, method, path, body] of BEFORE) {
        if (!exchange.what.startsWith(what)) continue;
        const made = await connection.ask(method, path, { body });
        if (what === WATCHED && method === 'POST') ids.watched = (made.body as { id: string }).id;
        if (what === WATCHED && method === 'DELETE') await eventsOf(connection, ids.watched, 3);
      }
      if ('websocket' in exchange) {
        const said = await converse(server.host, exchange, ids.for(exchange));
        expect({ what: exchange.what, said }).toEqual({ what: exchange.what, said: exchange.websocket.messages });
        continue;
      }
      const asked = ask(connection, exchange, ids.for(exchange));
      const expected = { ...exchange.response, ...OTHERWISE[exchange.what]?.told };
      if (expected.status === 423 && 'retry-after' in expected.headers) {
        await server.until(() => server.held > 0);
        await server.time.pass(0);
      }
      const answer = await asked;
      ids.learn(exchange, answer);
      expect({ what: exchange.what, ...toldBy(answer) }).toEqual({ what: exchange.what, ...normal(expected) });
    }
  });

  it('every difference is one of an exchange that was recorded', () => {
    const recorded = open.map(({ what }) => what);
    expect(Object.keys(OTHERWISE).filter((what) => !recorded.includes(what))).toEqual([]);
  });

  it('with an auth string it answers the same', async () => {
    const server = await ApiServer.start({ authString: 'user:pass' });
    const connection = server.connect();
    for (const exchange of withAuth) {
      if ('websocket' in exchange) throw new Error(`nobody replays ${exchange.what}`);
      const answer = await ask(connection, exchange, randomUUID);
      expect({ what: exchange.what, ...toldBy(answer) }).toEqual({ what: exchange.what, ...exchange.response });
    }
  });
});
