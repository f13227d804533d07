/** `slotkeeper serve --upstream`: an unmodified Prefect server behind ours, and unmodified programs that know only ours. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { PrefectServer, QUIET } from './prefect-server.ts';
import { prefectCommands } from './venv.ts';

const AUTH = 'admin:sesame';
const TASKS = 6;
const SLOTS = 2;
const POLL_MS = 200;

/** An API as an administrator asks it, with all that it wants to be shown. */
class Api {
  readonly url: string;
  readonly #client = randomUUID();
  #csrfToken = '';

  constructor(url: string) {
    this.url = url;
  }

  get(path: string): Promise<Response> {
    return fetch(this.url + path, { headers: { authorization: `Basic ${btoa(AUTH)}` } });
  }

  async read<T>(path: string): Promise<T> {
    return (await (await this.get(path)).json()) as T;
  }

  async post(path: string, body: unknown): Promise<Response> {
    this.#csrfToken ||= (await this.read<{ token: string }>(`/csrf-token?client=${this.#client}`)).token;
    const headers = {
      'content-type': 'application/json',
      authorization: `Basic ${btoa(AUTH)}`,
      'prefect-csrf-client': this.#client,
      'prefect-csrf-token': this.#csrfToken,
    };
    return fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** What a list is filtered to. */
  async filtered<T>(path: string, filter: unknown = {}): Promise<T> {
    const answer = await this.post(`${path}/filter`, filter);
    expect(answer.status).toBe(200);
    return (await answer.json()) as T;
  }
}

interface Event {
  readonly event: string;
  readonly resource: Readonly<Record<string, string>>;
}

interface Page {
  readonly events: readonly Event[];
  readonly total: number;
  readonly next_page: string | null;
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Python's commands take seconds to start. */
vi.setConfig({ testTimeout: 120_000 });

describeWithPython('a whole Prefect server behind ours', () => {
  let server: PrefectServer;
  let slotkeeper: ServerProcess;
  let prefect: Api;
  let ours: Api;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'slotkeeper-upstream-'));
    server = await PrefectServer.start({
      PREFECT_SERVER_API_AUTH_STRING: AUTH,
      PREFECT_SERVER_CSRF_PROTECTION_ENABLED: 'true',
    });
    slotkeeper = await ServerProcess.start(
      '--auth-string',
      AUTH,
      '--upstream',
      server.url,
      '--upstream-auth-string',
      AUTH,
    );
    prefect = new Api(server.url);
    ours = new Api(`${slotkeeper.url}/api`);
  }, 300_000);

  afterAll(async () => {
    await slotkeeper?.[Symbol.asyncDispose]();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a command of the Python environment as a user of ours would. */
  async function run(command: string, ...args: string[]): Promise<Outcome> {
    const commands = await prefectCommands();
    const child = spawn(`${commands}/${command}`, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        PREFECT_HOME: folder,
        PREFECT_API_URL: ours.url,
        PREFECT_API_AUTH_STRING: AUTH,
        ...QUIET,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
    return { code, stdout, stderr };
  }

  function program(name: string): string {
    return fileURLToPath(new URL(name, import.meta.url));
  }

  /** All events that the Prefect server has, once those are among them that are looked for. */
  async function events(isThere: (events: readonly Event[]) => boolean): Promise<Event[]> {
    for (;;) {
      const found: Event[] = [];
      let page = await prefect.filtered<Page>('/events', { limit: 50 });
      found.push(...page.events);
      while (page.next_page !== null) {
        page = await prefect.read<Page>(page.next_page.slice(prefect.url.length));
        found.push(...page.events);
      }
      if (isThere(found)) return found;
      await delay(POLL_MS);
    }
  }

  test('what is not ours is its own answer, page and script alike', async () => {
    const headers = { authorization: `Basic ${btoa(AUTH)}` };
    expect((await fetch(slotkeeper.url)).status).toBe(401);
    const page = await (await fetch(slotkeeper.url, { headers })).text();
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1] as string;
    for (const path of ['/', script, '/v2/', '/api/health', '/api/ready', '/api/admin/version', '/api/nowhere']) {
      const [here, there] = await Promise.all(
        [slotkeeper.url, new URL(server.url).origin].map(async (origin) => {
          const answer = await fetch(origin + path, { headers });
          return [answer.status, answer.headers.get('content-type'), await answer.text()];
        }),
      );
      expect(here).toEqual(there);
    }
    expect(await ours.read('/admin/version')).toBe('3.8.8');
  });

  test('its web interface is told to ask here', async () => {
    const headers = { authorization: `Basic ${btoa(AUTH)}` };
    const settings = await (await fetch(`${slotkeeper.url}/ui-settings`, { headers })).json();
    expect(settings).toMatchObject({ api_url: '/api', csrf_enabled: true, auth: 'BASIC' });
  });

  test('its redirects and its next pages lead here', async () => {
    const redirect = await ours.post('/flows/filter/', {});
    expect([redirect.status, redirect.redirected, redirect.url]).toEqual([200, true, `${ours.url}/flows/filter`]);
    for (const name of ['one', 'another']) await ours.post('/flows/', { name });
    await events((all) => all.filter(({ event }) => event === 'prefect.flow.created').length === 2);
    const { next_page } = await ours.filtered<Page>('/events', { limit: 1 });
    expect(next_page).toContain(`${ours.url}/events/filter/next?`);
    expect((await ours.read<Page>(next_page!.slice(ours.url.length))).events).toHaveLength(1);
  });

  test('both ask for the auth string', async () => {
    const unknown = await fetch(`${ours.url}/admin/version`);
    const limits = await fetch(`${ours.url}/concurrency_limits/filter`, { method: 'POST' });
    expect([unknown.status, limits.status]).toEqual([401, 401]);
  });

  test('limits that its commands make are made here', async () => {
    const made = [
      await run('prefect', 'concurrency-limit', 'create', 'shared', String(SLOTS)),
      await run('prefect', 'gcl', 'create', 'many', '--limit', '3', '--slot-decay-per-second', '0.5'),
    ];
    expect(made.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ]);
    const names = (await ours.filtered<{ name: string }[]>('/v2/concurrency_limits')).map(({ name }) => name);
    expect(names).toEqual(['many', 'tag:shared']);
    expect(await prefect.filtered('/v2/concurrency_limits')).toEqual([]);
  });

  test('a flow with tagged tasks runs there, and never more of them at once than slots here', async () => {
    const log = join(folder, 'log');
    const { code, stderr } = await run('python', program('flow.py'), 'shared', String(TASKS), log);
    expect(code, stderr).toBe(0);
    let held = 0;
    const levels = readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => {
        held += line.startsWith('begin ') ? 1 : -1;
        return held;
      });
    expect(levels).toHaveLength(2 * TASKS);
    expect(Math.max(...levels)).toBe(SLOTS);
    const states = await prefect.filtered<{ state_type: string }[]>('/task_runs');
    expect(states.map(({ state_type }) => state_type)).toEqual(Array(TASKS).fill('COMPLETED'));
    expect(await ours.read('/concurrency_limits/tag/shared')).toMatchObject({ active_slots: [] });
  });

  test('of its slots it hears once for each grant, and nothing from clients', async () => {
    const isOfSlots = ({ event }: Event): boolean => /^prefect\.concurrency-limit\.(acquired|released)$/.test(event);
    const all = await events((all) => all.filter(isOfSlots).length >= 2 * TASKS);
    expect(all.filter(({ event }) => event === 'told.by.a.client')).toHaveLength(1);
    const ofSlots = all.filter(isOfSlots);
    expect(ofSlots).toHaveLength(2 * TASKS);
    expect(ofSlots.map(({ resource }) => resource['prefect.resource.name'])).toEqual(ofSlots.map(() => 'tag:shared'));
  });

  test('a lease that it grants by itself, for a deployment, is renewed there', async () => {
    const { stdout, stderr } = await run('python', program('deployment.py'));
    expect(stdout, stderr).toBe('renewed 204\nrefused 410\n');
  });

  test('when it is away limits go on, and all else says so', async () => {
    await server.stop();
    const away = await ours.get('/admin/version');
    expect([away.status, await away.json()]).toEqual([
      502,
      { detail: expect.stringContaining(new URL(server.url).origin) },
    ]);
    expect(await ours.filtered<unknown[]>('/v2/concurrency_limits')).toHaveLength(2);
    const { code, stderr } = await run('prefect', 'gcl', 'inspect', 'many');
    expect(code, stderr).toBe(0);
  });
});
