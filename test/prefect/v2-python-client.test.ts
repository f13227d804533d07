/** Prefect's own client and commands for global limits (API v2), unmodified, on our server. */
import { randomUUID } from 'node:crypto';
import { connect, type Keeper } from 'slotkeeper';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { ServerProcess } from '../server-process.ts';
import { describeWithPython } from './describe-with-python.ts';
import { type PythonEnded, PythonProgram } from './python-program.ts';
import { RecordingProxy } from './recording-proxy.ts';

interface Failure {
  readonly error: string;
  readonly isTimeout: boolean;
  readonly text: string;
}

interface Outcome {
  readonly sync: Record<string, unknown>;
  readonly async: Record<string, unknown>;
  readonly warnings: readonly string[];
}

interface Command {
  readonly code: number;
  readonly said: string;
}

interface HeardEvent {
  readonly id: string;
}

const AUTH_STRING = 'admin:secret';
const LIMITS_URL = '/v2/concurrency_limits/';

describeWithPython("Prefect's client for global limits on our server", () => {
  let server: ServerProcess;
  let keeper: Keeper;

  beforeAll(async () => {
    server = await ServerProcess.start();
    keeper = await connect(server.url);
  }, 300_000);

  afterAll(async () => {
    await keeper?.close();
    await server?.[Symbol.asyncDispose]();
  });

  describe('a program that calls it in every way', () => {
    const ways = ['sync', 'async'] as const;
    let outcome: Outcome;

    beforeAll(async () => {
      await keeper.limits.set('db', { slots: 2 });
      await keeper.limits.set('disk', { slots: 3 });
      await keeper.limits.set('full', { slots: 1 });
      await keeper.limits.set('calls', { slots: 2, slotDecayPerSecond: 0.001 });
      await keeper.limits.set('tag:etl', { slots: 1 });
      await using _taken = await keeper.acquire('full');
      const { code, stdout, stderr } = await python('calls.py', []);
      expect(code, stderr).toBe(0);
      outcome = JSON.parse(stdout);
    });

    test.each(ways)('%s: slots are held while the body runs, and free afterwards', (way) => {
      expect(outcome[way]).toMatchObject({ inside: [2, 2], after: [0, 0] });
    });

    test('the holder is the one that was named', () => {
      expect(outcome.async.holders).toEqual([outcome.async.run]);
    });

    test.each(ways)('%s: a limit that is not there is an error to strict calls', (way) => {
      expect(failureOf(way, 'strict')).toEqual({
        error: 'ConcurrencySlotAcquisitionError',
        isTimeout: false,
        text: "Concurrency limits ['not there'] must be created before acquiring slots",
      });
    });

    test('to others it is a warning, and the body runs', () => {
      expect(outcome.sync.missing).toBe('ran');
      expect(outcome.warnings).toEqual(["Concurrency limits ['not there'] do not exist - skipping acquisition."]);
    });

    test.each(ways)('%s: a full limit is waited for until the time is over', async (way) => {
      expect(failureOf(way, 'timeout')).toEqual({
        error: 'AcquireConcurrencySlotTimeoutError',
        isTimeout: true,
        text: 'Attempt to acquire concurrency slots timed out after 0.5 second(s)',
      });
      expect(await keeper.waiters('full')).toEqual([]);
    });

    test.each(ways)('%s: what can never be is refused at once, in words that say why', (way) => {
      expect(failureOf(way, 'too many').text).toMatch(/Slots requested is greater than the limit$/);
      expect(failureOf(way, 'short lease').text).toMatch(
        /lease_duration: Input should be greater than or equal to 60$/,
      );
    });

    test('a rate is taken from, and comes back by itself, not at the end of a body', () => {
      expect(outcome.async.charged).toEqual([2]);
      expect(failureOf('async', 'used up')).toMatchObject({ error: 'AcquireConcurrencySlotTimeoutError' });
    });

    test('a rate limit has to be there to strict calls, and to be a rate to all', () => {
      expect(failureOf('async', 'strict rate').text).toMatch(/must be created before acquiring slots$/);
      expect(failureOf('sync', 'no rate').text).toMatch(/do not have a decay configured: 'db'$/);
    });

    function failureOf(way: 'sync' | 'async', what: string): Failure {
      return outcome[way][what] as Failure;
    }
  });

  describe('a lease', () => {
    test('is renewed as soon as it is there', async () => {
      await keeper.limits.set('renewed', { slots: 1 });
      await using proxy = await RecordingProxy.start(server.url);
      const stopped = proxy.stopped(/\/renew$/);
      await using program = await start('hold.py', ['async', 'renewed', '{"lease_duration": 60}'], proxy.url);
      const goOn = await stopped;
      const [granted] = await keeper.holders('renewed');
      goOn();
      await eventually(() => expect(proxy.exchanges.map(({ request }) => request)).toContainEqual(renewalOf(granted)));
      const renewal = proxy.exchanges.find(({ request }) => request === renewalOf(granted));
      await eventually(() => expect(renewal).toMatchObject({ body: '{"lease_duration":60}', status: 204 }));
      const [renewed] = await keeper.holders('renewed');
      expect(Number(granted?.expiresAt) - Number(granted?.since)).toBe(60_000);
      expect(Number(renewed?.expiresAt)).toBeGreaterThan(Number(granted?.expiresAt));
      expect((await program.end()).stdout).toBe('held\ndone\n');
      expect(await keeper.holders('renewed')).toEqual([]);
    });

    test.each([
      { how: 'async', strict: true, said: 'held\nlost\nended by CancelledError \n' },
      { how: 'sync', strict: true, said: 'held\nlost\nended by CancelledError \n' },
      { how: 'async', strict: false, said: 'held\nlost\ndone\n' },
    ])(
      'that is lost ends the body of a strict call only ($how, strict: $strict)',
      async ({ how, strict, said }) => {
        const name = `tag:lost-${randomUUID()}`;
        await keeper.limits.set(name, { slots: 1 });
        await using proxy = await RecordingProxy.start(server.url);
        const stopped = proxy.stopped(/\/renew$/);
        await using program = await start(
          'hold.py',
          [how, name, JSON.stringify({ strict, lease_duration: 60 })],
          proxy.url,
        );
        const goOn = await stopped;
        await post(`/concurrency_limits/tag/${name.slice('tag:'.length)}/reset`, {});
        goOn();
        await program.said('lost');
        // Lost is lost: the slot is for others, whether the body goes on or not.
        await (await keeper.acquire(name, { timeoutSeconds: 0 })).release();
        if (strict) await program.said('ended by');
        expect((await program.end()).stdout).toBe(said);
        expect((await keeper.limits.get(name)).taken).toBe(0);
      },
      60_000,
    );

    test('of a killed program ends when it would have ended, and can be ended by hand', async () => {
      await keeper.limits.set('tag:killed', { slots: 1 });
      await using program = await start('hold.py', ['async', 'tag:killed', '{"lease_duration": 60}']);
      await program.said('held');
      await program.kill();
      const [left] = await keeper.holders('tag:killed');
      expect(Number(left?.expiresAt) - Date.now()).toBeLessThanOrEqual(60_000);
      await post('/concurrency_limits/tag/killed/reset', {});
      expect((await keeper.limits.get('tag:killed')).taken).toBe(0);
    });
  });

  describe('the line', () => {
    test('is one for programs in Python and others, in order of arrival', async () => {
      await keeper.limits.set('line', { slots: 1 });
      const first = await keeper.acquire('line');
      await using program = await start('hold.py', ['sync', 'line', '{}']);
      await waitersOf('line', 1);
      const order: string[] = [];
      const last = keeper.concurrency('line', () => order.push('native'));
      await waitersOf('line', 2);
      await first.release();
      await program.said('held');
      order.push('python');
      await program.end();
      await last;
      expect(order).toEqual(['python', 'native']);
    });

    test('is left by a program that is killed', async () => {
      await keeper.limits.set('left', { slots: 1 });
      await using _taken = await keeper.acquire('left');
      await using program = await start('hold.py', ['async', 'left', '{}']);
      await waitersOf('left', 1);
      await program.kill();
      await waitersOf('left', 0);
    });

    test('is left once the tries are used up', async () => {
      await keeper.limits.set('tried', { slots: 1 });
      await using _taken = await keeper.acquire('tried');
      const holder = { type: 'task_run', id: randomUUID() };
      await using program = await start('hold.py', ['async', 'tried', JSON.stringify({ holder, max_retries: 0 })]);
      await waitersOf('tried', 1);
      // A client that repeats a request has its place; the one before is answered at once: it is as if the hold were over.
      const repeat = new AbortController();
      const body = { names: ['tried'], slots: 1, mode: 'concurrency', lease_duration: 300, holder };
      const repeated = post(`${LIMITS_URL}increment-with-lease`, body, repeat.signal).catch(() => undefined);
      await program.said('ended by');
      repeat.abort();
      await repeated;
      expect((await program.end()).stdout).toBe(
        "ended by ConcurrencySlotAcquisitionError Unable to acquire concurrency slots on ['tried']: 423 Locked: Locked\n",
      );
      await waitersOf('tried', 0);
    });

    async function waitersOf(name: string, count: number): Promise<void> {
      await eventually(async () => expect(await keeper.waiters(name)).toHaveLength(count));
    }
  });

  test('the commands for global limits and for those of tags do what they say', async () => {
    const said = await commands([
      ['gcl', 'create', 'made', '--limit', '3', '--slot-decay-per-second', '0.5'],
      ['gcl', 'create', 'made', '--limit', '3'],
      ['gcl', 'ls', '--output', 'json'],
      ['gcl', 'update', 'made', '--limit', '4'],
      ['gcl', 'disable', 'made'],
      ['gcl', 'inspect', 'made', '--output', 'json'],
      ['gcl', 'enable', 'made'],
      ['gcl', 'delete', 'made'],
      ['gcl', 'inspect', 'made'],
      ['concurrency-limit', 'create', 'made', '2'],
      ['concurrency-limit', 'inspect', 'made', '--output', 'json'],
      ['concurrency-limit', 'ls', '--output', 'json'],
      ['concurrency-limit', 'reset', 'made'],
      ['concurrency-limit', 'delete', 'made'],
      ['concurrency-limit', 'inspect', 'made'],
    ]);
    expect(said.map(({ code }) => code)).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    const json = (index: number): unknown => JSON.parse(said[index]?.said ?? '');
    expect(json(2)).toContainEqual(expect.objectContaining({ name: 'made', limit: 3, slot_decay_per_second: 0.5 }));
    expect(json(5)).toMatchObject({ name: 'made', limit: 4, active: false, active_slots: 0 });
    expect(json(10)).toMatchObject({ tag: 'made', concurrency_limit: 2, active_slots: [] });
    expect(json(11)).toContainEqual(expect.objectContaining({ tag: 'made', concurrency_limit: 2 }));
  });

  test('who listens hears of each grant once, and of its end, even when the holder was killed', async () => {
    await keeper.limits.set('tag:heard', { slots: 1 });
    const { id } = (await (await fetch(`${server.url}/api${LIMITS_URL}tag:heard`)).json()) as { id: string };
    await using listener = await start('listen.py', [id, '5']);
    await listener.said('listening');
    await using orderly = await start('hold.py', ['async', 'tag:heard', '{}']);
    await orderly.said('held');
    await orderly.end();
    await using killed = await start('hold.py', ['async', 'tag:heard', '{}']);
    await killed.said('held');
    await killed.kill();
    await post('/concurrency_limits/tag/heard/reset', {});

    const [created, ...events] = eventsIn((await listener.end()).stdout);
    expect(created).toMatchObject({
      event: 'prefect.concurrency-limit.created',
      payload: { name: 'tag:heard', limit: 1 },
    });
    const resource = {
      'prefect.resource.id': `prefect.concurrency-limit.${id}`,
      'prefect.resource.name': 'tag:heard',
      'slots-acquired': '1',
      limit: '1',
    };
    const acquired = { event: 'prefect.concurrency-limit.acquired', follows: null, resource };
    const released = { event: 'prefect.concurrency-limit.released', resource };
    expect(events).toMatchObject([
      acquired,
      { ...released, follows: events[0]?.id, payload: { cause: 'returned' } },
      acquired,
      { ...released, follows: events[2]?.id, payload: { cause: 'revoked' } },
    ]);
  });

  test('an auth string is asked of the commands, too', async () => {
    await using guarded = await ServerProcess.start('--auth-string', AUTH_STRING);
    const list = [['gcl', 'ls', '--output', 'json']];
    expect(await commands(list, guarded.url, { PREFECT_API_AUTH_STRING: AUTH_STRING })).toEqual([
      { code: 0, said: '[]\n' },
    ]);
    const [refused] = await commands(list, guarded.url);
    expect(refused).toMatchObject({ code: 1, said: expect.stringContaining('401 Unauthorized') });
  });

  function start(file: string, args: readonly string[], url = server.url): Promise<PythonProgram> {
    return PythonProgram.start(file, args, { PREFECT_API_URL: `${url}/api` });
  }

  function python(file: string, args: readonly string[]): Promise<PythonEnded> {
    return PythonProgram.run(file, args, { PREFECT_API_URL: `${server.url}/api` });
  }

  async function commands(list: string[][], url = server.url, settings = {}): Promise<Command[]> {
    const all = { PREFECT_API_URL: `${url}/api`, COLUMNS: '200', ...settings };
    const { code, stdout, stderr } = await PythonProgram.run('commands.py', [JSON.stringify(list)], all);
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  }

  async function post(path: string, body: unknown, signal: AbortSignal | null = null): Promise<unknown> {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${server.url}/api${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal,
    });
    expect(answer.ok, `${path}: ${answer.status}`).toBe(true);
    return answer.json();
  }
});

/** What `listen.py` printed after its first line. */
function eventsIn(stdout: string): HeardEvent[] {
  const [, ...lines] = stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

function renewalOf(holder: { readonly leaseId: string } | undefined): string {
  return `POST /api${LIMITS_URL}leases/${holder?.leaseId}/renew`;
}
