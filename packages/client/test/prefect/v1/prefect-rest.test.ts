/** `slotkeeper/v1` over Prefect's REST API, against answers a real server does not give on demand. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../../../../../test/eventually.ts';
import {
  AcquireConcurrencySlotTimeoutError,
  ConcurrencyContext,
  ConcurrencySlotAcquisitionError,
  close,
  concurrency,
} from '../../../src/prefect/v1/index.ts';
import { type Answer, FakePrefect } from './fake-prefect.ts';

const RUN = '0196a2c4-7c1e-7d55-8a86-0d1f6a3f9b01';
const OTHER_RUN = '0196a2c4-7c1e-7d55-8a86-0d1f6a3f9b02';

let prefect: FakePrefect;

beforeEach(async () => {
  prefect = await FakePrefect.start();
  prefect.limits.set('db', 1).set('gpu', 1);
  vi.stubEnv('SLOTKEEPER_URL', prefect.url);
  vi.stubEnv('PREFECT_API_KEY', undefined);
  vi.stubEnv('PREFECT_API_AUTH_STRING', undefined);
});

afterEach(async () => {
  await close();
  await prefect.stop();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('taking and giving back', () => {
  test('without names the body runs and nothing is asked', async () => {
    expect(await concurrency([], RUN, {}, () => 'done')).toBe('done');
    expect(await concurrency('', RUN, {}, () => 'done')).toBe('done');
    expect(prefect.asked).toEqual([]);
  });

  test('the slots are held while the body runs, and the release tells for how long', async () => {
    const startedMs = performance.now();
    const held = await concurrency(['db', 'gpu'], RUN, {}, () => new Map(prefect.holders));
    const seconds = (performance.now() - startedMs) / 1_000;
    expect(held).toEqual(new Map([['db', [RUN]], ['gpu', [RUN]]])); // biome-ignore format: one line reads better
    expect(prefect.holders.get('db')).toEqual([]);
    expect(prefect.paths()).toEqual(['increment', 'decrement']);
    expect(prefect.asked[1]?.body.occupancy_seconds).toBeGreaterThan(0);
    expect(prefect.asked[1]?.body.occupancy_seconds).toBeLessThan(seconds);
  });

  test('a body that throws gives its slots back, and its error comes out', async () => {
    const failure = new Error('the job failed');
    await expect(concurrency('db', RUN, {}, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(prefect.holders.get('db')).toEqual([]);
  });

  test('without a body there is a scope, which gives back once', async () => {
    const scope = await concurrency('db', RUN);
    expect(prefect.holders.get('db')).toEqual([RUN]);
    await Promise.all([scope[Symbol.asyncDispose](), scope[Symbol.asyncDispose]()]);
    expect(prefect.paths()).toEqual(['increment', 'decrement']);
  });

  test('a tag given twice counts once', async () => {
    await concurrency(['db', 'db'], RUN, {}, () => undefined);
    expect(prefect.asked[0]?.body.names).toEqual(['db']);
  });

  test('a release that fails comes out, unless the body has failed before', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const broken = (): Answer => ({ status: 500, body: { exception_message: 'Internal Server Error' } });
    prefect.scripts.decrement.push(broken, broken);
    await expect(concurrency('db', RUN, {}, () => undefined)).rejects.toThrow('/decrement was answered with 500');
    prefect.holders.clear();
    await expect(concurrency('db', RUN, {}, () => Promise.reject(new Error('the job')))).rejects.toThrow('the job');
    expect(warn).toHaveBeenCalledOnce();
  });
});

describe('waiting', () => {
  test('a full limit is asked for again after Retry-After', async () => {
    prefect.holders.set('db', [OTHER_RUN]);
    prefect.scripts.increment.push(
      (usual) => usual(),
      (usual) => {
        prefect.holders.set('db', []);
        return usual();
      },
    );
    await concurrency('db', RUN, { timeoutSeconds: 20 }, () => undefined);
    expect(prefect.paths()).toEqual(['increment', 'increment', 'decrement']);
  });

  test('a wait that is longer than the timeout ends with it', async () => {
    prefect.holders.set('db', [OTHER_RUN]);
    prefect.retryAfter = '3600';
    const failure = await concurrency('db', RUN, { timeoutSeconds: 0.05 }, () => undefined).catch((error) => error);
    expect(failure).toBeInstanceOf(AcquireConcurrencySlotTimeoutError);
    expect(failure.name).toBe('TimeoutError');
    expect(failure.message).toBe('Attempt to acquire concurrency limits timed out after 0.05 second(s)');
  });

  test('a timeout of 0 asks once', async () => {
    prefect.holders.set('db', [OTHER_RUN]);
    await expect(concurrency('db', RUN, { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    expect(prefect.paths()).toEqual(['increment']);
    prefect.holders.clear();
    await concurrency('db', RUN, { timeoutSeconds: 0 }, () => undefined);
  });

  test('a signal ends the wait with its reason', async () => {
    prefect.holders.set('db', [OTHER_RUN]);
    prefect.retryAfter = '3600';
    const caller = new AbortController();
    prefect.scripts.increment.push((usual) => {
      setImmediate(() => caller.abort('no longer needed'));
      return usual();
    });
    await expect(concurrency('db', RUN, { signal: caller.signal })).rejects.toBe('no longer needed');
    expect(prefect.paths()).toEqual(['increment']);
  });

  test('calls for the same names do not wait for each other', async () => {
    prefect.limits.set('db', 2);
    const first = Promise.withResolvers<void>();
    prefect.scripts.increment.push(async (usual) => {
      await first.promise;
      return usual();
    });
    const slow = concurrency('db', RUN, {}, () => undefined);
    await concurrency('db', OTHER_RUN, {}, () => undefined);
    first.resolve();
    await slow;
  });

  test('a slot that is granted after the caller has gone is given back', async () => {
    const caller = new AbortController();
    const gone = Promise.withResolvers<void>();
    prefect.scripts.increment.push(async (usual) => {
      caller.abort(new Error('gone'));
      await gone.promise;
      return usual();
    });
    await expect(concurrency('db', RUN, { signal: caller.signal })).rejects.toThrow('gone');
    gone.resolve();
    await close();
    expect(prefect.paths()).toEqual(['increment', 'decrement']);
    expect(prefect.holders.get('db')).toEqual([]);
  });
});

describe('refusals', () => {
  test('a limit of 0 is an error that keeps the reason', async () => {
    prefect.limits.set('none', 0);
    const failure = await concurrency(['db', 'none'], RUN, {}, () => undefined).catch((error) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure.message).toBe("Unable to acquire concurrency limits ['db', 'none']");
    expect(failure.cause.message).toBe('The concurrency limit on tag "none" is 0');
  });

  test('any other status is the cause', async () => {
    prefect.scripts.increment.push(() => ({ status: 401, body: { exception_message: 'Unauthorized' } }));
    const failure = await concurrency('db', RUN).catch((error) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure.cause).toMatchObject({ name: 'PrefectApiError', status: 401 });
  });

  test('a page that a proxy sends in place of an answer is no grant, and what it may hide is given back', async () => {
    prefect.scripts.increment.push((usual) => {
      usual();
      return { status: 200, body: '<html>Sign in</html>' };
    });
    const failure = await concurrency('db', RUN, {}, () => 'the body ran').catch((error) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure.cause).toMatchObject({ name: 'NoAnswerError', message: expect.stringContaining(prefect.url) });
    await close();
    expect(prefect.paths()).toEqual(['increment', 'decrement']);
    expect(prefect.holders.get('db')).toEqual([]);
  });

  test('a page in place of the answer to a release is no release', async () => {
    prefect.scripts.decrement.push(() => ({ status: 200, body: '<html>Sign in</html>' }));
    await expect(concurrency('db', RUN, {}, () => undefined)).rejects.toThrow('/decrement was answered with 200');
  });

  test('nobody at the address is an error that names it and what to do', async () => {
    vi.stubEnv('SLOTKEEPER_URL', 'http://127.0.0.1:9/api');
    const failure = await concurrency('db', RUN).catch((error) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure.cause.message).toContain('http://127.0.0.1:9');
  });

  test.each([-1, Number.NaN])('a timeout of %s is refused', async (timeoutSeconds) => {
    await expect(concurrency('db', RUN, { timeoutSeconds })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'timeoutSeconds' },
    });
  });
});

describe('asking again', () => {
  test('a busy server is asked again, five times at most', async () => {
    const busy = (): Answer => ({ status: 503, headers: { 'Retry-After': '0' }, body: {} });
    prefect.scripts.increment.push(busy, busy, busy, busy, busy);
    await concurrency('db', RUN, {}, () => undefined);
    expect(prefect.paths().filter((path) => path === 'increment')).toHaveLength(6);
    prefect.scripts.increment.push(busy, busy, busy, busy, busy, busy);
    await expect(concurrency('db', RUN)).rejects.toThrow(ConcurrencySlotAcquisitionError);
  });

  test('an answer that is lost takes no second slot: a decrement goes before the repeat', async () => {
    prefect.limits.set('db', 2);
    prefect.scripts.increment.push((usual) => {
      usual();
      return 'cut';
    });
    const held = await concurrency('db', RUN, {}, () => prefect.holders.get('db'));
    expect(held).toEqual([RUN]);
    expect(prefect.paths()).toEqual(['increment', 'decrement', 'increment', 'decrement']);
  });

  test('a lost answer does not cost the task run the slot that it holds already', async () => {
    prefect.limits.set('db', 3);
    const outer = await concurrency('db', RUN);
    prefect.scripts.increment.push((usual) => {
      usual();
      return 'cut';
    });
    const inner = await concurrency('db', RUN);
    expect(prefect.paths()).toEqual(['increment', 'increment', 'increment']);
    await inner[Symbol.asyncDispose]();
    await outer[Symbol.asyncDispose]();
    expect(prefect.holders.get('db')).toEqual([]);
  });

  test('a repeat does not undo what another call of the task run has got meanwhile', async () => {
    prefect.limits.set('db', 3);
    prefect.scripts.increment.push((usual) => {
      usual();
      return 'cut';
    });
    const lost = concurrency('db', RUN);
    await eventually(() => expect(prefect.asked).toHaveLength(1));
    const other = await concurrency('db', RUN);
    const repeated = await lost;
    expect(prefect.paths()).toEqual(['increment', 'increment', 'increment']);
    await repeated[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    expect(prefect.holders.get('db')).toEqual([]);
  });

  test('a lost answer of an increment that nobody waits for is followed by a decrement', async () => {
    const caller = new AbortController();
    prefect.scripts.increment.push((usual) => {
      usual();
      caller.abort(new Error('gone'));
      return 'cut';
    });
    await expect(concurrency('db', RUN, { signal: caller.signal })).rejects.toThrow('gone');
    await close();
    expect(prefect.paths()).toEqual(['increment', 'decrement']);
  });
});

describe('credentials', () => {
  test('an API key is sent as Bearer, an auth string as Basic and before the key', async () => {
    vi.stubEnv('PREFECT_API_KEY', 'pnu_key');
    await concurrency('db', RUN, {}, () => undefined);
    await close();
    vi.stubEnv('PREFECT_API_AUTH_STRING', 'admin:pass');
    await concurrency('db', RUN, {}, () => undefined);
    expect(prefect.asked.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer pnu_key',
      'Bearer pnu_key',
      'Basic YWRtaW46cGFzcw==',
      'Basic YWRtaW46cGFzcw==',
    ]);
    expect(prefect.asked[0]?.headers['x-prefect-api-version']).toBe('0.8.4');
  });

  test('a CSRF token is sent where there are some, and fetched anew when it is refused', async () => {
    const token = (text: string): Answer => ({
      status: 200,
      body: { token: text, expiration: '2999-01-01T00:00:00Z' },
    });
    prefect.csrf = token('first');
    prefect.scripts.increment.push(() => {
      prefect.csrf = token('second');
      return { status: 403, body: { detail: 'Invalid CSRF token or client identifier.' } };
    });
    await concurrency('db', RUN, {}, () => undefined);
    expect(prefect.asked.map(({ headers }) => headers['prefect-csrf-token'])).toEqual(['first', 'second', 'second']);
  });
});

describe('a release that is cancelled', () => {
  test('goes on cleanupSlots and is made up for as the context exits', async () => {
    const caller = new AbortController();
    prefect.scripts.decrement.push(() => {
      caller.abort();
      return new Promise(() => undefined);
    });
    await ConcurrencyContext.run(async (context) => {
      const value = await concurrency(['db', 'gpu'], RUN, { signal: caller.signal }, () => 'value');
      expect(value).toBe('value');
      expect(context.cleanupSlots).toEqual([[['db', 'gpu'], expect.any(Number), RUN]]);
      expect(prefect.holders.get('db')).toEqual([RUN]);
    });
    expect(prefect.holders.get('db')).toEqual([]);
    expect(prefect.holders.get('gpu')).toEqual([]);
  });

  test('is not even begun when the signal has aborted before', async () => {
    const caller = new AbortController();
    await ConcurrencyContext.run(async () => {
      await concurrency('db', RUN, { signal: caller.signal }, () => caller.abort());
      expect(prefect.paths()).toEqual(['increment']);
    });
    expect(prefect.paths()).toEqual(['increment', 'decrement']);
  });

  test('goes through all the same where no context would make up for it', async () => {
    const caller = new AbortController();
    await concurrency('db', RUN, { signal: caller.signal }, () => caller.abort());
    expect(prefect.holders.get('db')).toEqual([]);
  });

  test('is cancelled by the exit itself, which gives back once it is', async () => {
    const asked = Promise.withResolvers<void>();
    prefect.scripts.decrement.push(() => {
      asked.resolve();
      return new Promise(() => undefined);
    });
    let release: Promise<unknown> = Promise.resolve();
    await ConcurrencyContext.run(async () => {
      release = concurrency('db', RUN, {}, () => undefined);
      await asked.promise;
    });
    await release;
    expect(prefect.holders.get('db')).toEqual([]);
  });

  test('one that cannot be made up for is warned of and does not stop the others', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    prefect.holders.set('gpu', [OTHER_RUN]);
    prefect.scripts.decrement.push(() => ({ status: 500, body: {} }));
    await ConcurrencyContext.run(({ cleanupSlots }) => {
      cleanupSlots.push([['db'], 1.5, RUN], [['gpu'], 2.5, OTHER_RUN]);
    });
    expect(prefect.holders.get('gpu')).toEqual([]);
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0]?.[0]).toBe(
      `Failed to release concurrency slots ['db'] for task run ${RUN} during cleanup`,
    );
  });

  test('belongs to the innermost context, and to none once that has exited', async () => {
    expect(ConcurrencyContext.current()).toBeUndefined();
    await ConcurrencyContext.run(async (outer) => {
      const exited = await ConcurrencyContext.run((inner) => {
        expect(ConcurrencyContext.current()).toBe(inner);
        return () => ConcurrencyContext.current();
      });
      expect(exited()).toBe(outer);
    });
  });

  test('what outlives the inner context belongs to the outer, and to none once that has exited, too', async () => {
    const innerExited = Promise.withResolvers<void>();
    const outerExited = Promise.withResolvers<void>();
    let seen: Promise<readonly unknown[]> = Promise.resolve([]);
    await ConcurrencyContext.run(async (outer) => {
      await ConcurrencyContext.run(() => {
        seen = (async () => {
          await innerExited.promise;
          const first = ConcurrencyContext.current() === outer;
          await outerExited.promise;
          return [first, ConcurrencyContext.current()];
        })();
      });
      innerExited.resolve();
      await new Promise(setImmediate);
    });
    outerExited.resolve();
    expect(await seen).toEqual([true, undefined]);
  });
});

describe('events', () => {
  test('each limit is told as acquired, then as released, which follows', async () => {
    await concurrency(['db', 'gpu'], RUN, {}, () => undefined);
    await close();
    expect(prefect.events.map(({ event, resource }) => [event, resource['prefect.resource.name']])).toEqual([
      ['prefect.concurrency-limit.v1.acquired', 'db'],
      ['prefect.concurrency-limit.v1.acquired', 'gpu'],
      ['prefect.concurrency-limit.v1.released', 'db'],
      ['prefect.concurrency-limit.v1.released', 'gpu'],
    ]);
    const [acquired, , released] = prefect.events;
    expect(acquired).toMatchObject({
      follows: null,
      resource: { 'prefect.resource.id': 'prefect.concurrency-limit.v1.id-of-db', limit: '1', task_run_id: RUN },
      related: [
        {
          'prefect.resource.id': 'prefect.concurrency-limit.v1.id-of-gpu',
          'prefect.resource.role': 'concurrency-limit',
        },
      ],
    });
    expect(released?.follows).toBe(acquired?.id);
    expect(acquired?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(prefect.eventConnections).toBe(1);
  });

  test('a connection that ends before the receipt is opened again and the events come again', async () => {
    prefect.eventsIn = 'cut after the first event';
    await concurrency('db', RUN, {}, () => undefined);
    await close();
    const [first] = prefect.events;
    expect(prefect.events.filter(({ id }) => id === first?.id)).toHaveLength(2);
    expect(new Set(prefect.events.map(({ event }) => event)).size).toBe(2);
    expect(prefect.eventConnections).toBe(2);
  });

  test('a server that wants none is warned of once, and slots are taken all the same', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    prefect.eventsIn = 'refused';
    const scope = await concurrency('db', RUN);
    await eventually(() => expect(warn).toHaveBeenCalledOnce());
    await scope[Symbol.asyncDispose]();
    await close();
    expect(prefect.eventConnections).toBe(1);
    expect(warn).toHaveBeenCalledOnce();
  });
});
