/** What the journal tells is sent on to the Prefect server behind this one. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { clientEvent, EventsServer, type StartOptions, type ToldEvent, temporaryFolder } from './events-server.ts';

interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Takes events, or answers as the test says. */
class Upstream {
  readonly events: ToldEvent[] = [];
  /** The requests that brought events, refused ones among them. */
  readonly asked: Asked[] = [];
  /** A request for a CSRF token; 422 says that none is needed. */
  csrf: (asked: Asked) => { status: number; body?: object } = () => ({
    status: 422,
    body: { detail: 'CSRF protection is disabled.' },
  });
  status: (asked: Asked, events: readonly ToldEvent[]) => number = () => 204;
  readonly #server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const { status, body } = this.#answer(request, text);
      response.writeHead(status).end(body && JSON.stringify(body));
      this.#wake();
    });
  });
  #wake = (): void => {};

  static async start(): Promise<Upstream> {
    const upstream = new Upstream();
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      upstream.#server.closeAllConnections();
      upstream.#server.close();
    });
    return upstream;
  }

  get address() {
    return { origin: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`, prefix: '' };
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #answer(asked: Asked, text: string): { status: number; body?: object } {
    if (asked.method === 'GET') return this.csrf(asked);
    this.asked.push(asked);
    const events = JSON.parse(text) as ToldEvent[];
    const status = this.status(asked, events);
    if (status === 204) this.events.push(...events);
    return status === 403 ? { status, body: { detail: 'Invalid CSRF token or client identifier.' } } : { status };
  }
}

const told = ({ event, resource }: ToldEvent): string =>
  `${event.split('.').at(-1)} ${resource['prefect.resource.name']}`;

async function start(upstream: Upstream, options: StartOptions = {}): Promise<EventsServer> {
  const server = await EventsServer.start({ ...options, upstream: upstream.address });
  return server;
}

describe('events on their way upstream', () => {
  it('arrive in order, without those of clients, with the server’s own credentials', async () => {
    const upstream = await Upstream.start();
    const server = await start(upstream, { authString: 'user:password', apiKey: 'key' });
    await server.post('/events', [clientEvent(1)]);
    server.limit('db');
    const token = await server.acquire('l1', [['db', 1]]);
    await upstream.until(() => upstream.events.length >= 2);
    server.submit({ type: 'release', leaseId: 'l1', token });
    await upstream.until(() => upstream.events.length >= 3);
    expect(upstream.events.map(told)).toEqual(['created db', 'acquired db', 'released db']);
    const [first] = upstream.asked;
    expect(first?.url).toBe('/api/events');
    expect(first?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from('user:password').toString('base64')}`,
      'content-type': 'application/json',
    });
  });

  it('show a token to an upstream that asks for one, and a new one when that has become too old', async () => {
    const upstream = await Upstream.start();
    const clients: (string | null)[] = [];
    upstream.csrf = ({ url }) => {
      clients.push(new URLSearchParams(url?.replace('/api/csrf-token?', '')).get('client'));
      return { status: 200, body: { token: `token ${clients.length}` } };
    };
    upstream.status = ({ headers }) => {
      const isOf = `${headers['prefect-csrf-token']} of ${headers['prefect-csrf-client']}`;
      return isOf === `token 2 of ${clients[1]}` ? 204 : 403;
    };
    const server = await start(upstream);
    server.limit('db');
    await upstream.until(() => upstream.events.length >= 1);
    expect(upstream.asked.length).toBe(2);
  });

  it('wait for an upstream that fails, and say so once', async () => {
    const upstream = await Upstream.start();
    upstream.status = () => (upstream.asked.length < 2 ? 503 : 204);
    const server = await start(upstream);
    server.limit('db');
    server.limit('gpu');
    await upstream.until(() => upstream.events.length >= 2);
    expect(upstream.events.map(told)).toEqual(['created db', 'created gpu']);
    expect(server.warnings).toEqual([
      `Events about slots wait for ${upstream.address.origin}/api: it answers 503 Service Unavailable.`,
    ]);
  });

  it('come in smaller parts to an upstream for which they are too many at once', async () => {
    const upstream = await Upstream.start();
    upstream.status = (_asked, events) => (events.length > 3 ? 413 : 204);
    const server = await start(upstream);
    const names = Array.from({ length: 20 }, (_, at) => `db${at}`);
    for (const name of names) server.limit(name);
    await upstream.until(() => upstream.events.length >= names.length);
    expect(upstream.events.map(told)).toEqual(names.map((name) => `created ${name}`));
    expect(server.warnings).toEqual([]);
  });

  it.each([
    [422, '422 Unprocessable Entity'],
    [500, '500 Internal Server Error'],
  ])(
    'arrive though one of them is answered with %i each time, which is said',
    async (status, line) => {
      const upstream = await Upstream.start();
      upstream.status = (_asked, events) => (events.some((event) => told(event) === 'created bad') ? status : 204);
      const server = await start(upstream);
      for (const name of ['db', 'bad', 'gpu']) server.limit(name);
      await upstream.until(() => upstream.events.length >= 2);
      expect(upstream.events.map(told)).toEqual(['created db', 'created gpu']);
      const url = `${upstream.address.origin}/api`;
      expect(server.warnings).toEqual([
        `Events about slots wait for ${url}: it answers ${line}.`,
        expect.stringMatching(`^An event is left out, since ${url} does not take it: it answers ${line}: {.*"bad"`),
      ]);
    },
    20_000,
  );

  it('wait for an upstream that sends them elsewhere', async () => {
    const upstream = await Upstream.start();
    upstream.status = () => (upstream.asked.length < 2 ? 302 : 204);
    const server = await start(upstream);
    server.limit('db');
    await upstream.until(() => upstream.events.length >= 1);
    expect(server.warnings).toEqual([
      `Events about slots wait for ${upstream.address.origin}/api: it answers 302 Found.`,
    ]);
  });

  it('go on after a restart where they were', async () => {
    const upstream = await Upstream.start();
    const folder = temporaryFolder();
    const first = await start(upstream, { folder });
    first.limit('db');
    await upstream.until(() => upstream.events.length >= 1);
    await first.close();
    const without = await EventsServer.start({ folder });
    without.limit('gpu');
    await without.settled(2);
    await without.close();
    const second = await start(upstream, { folder });
    second.limit('cpu');
    await upstream.until(() => new Set(upstream.events.map(({ id }) => id)).size >= 3);
    const distinct = new Map(upstream.events.map((event) => [event.id, told(event)]));
    expect([...distinct.values()]).toEqual(['created db', 'created gpu', 'created cpu']);
  });
});
