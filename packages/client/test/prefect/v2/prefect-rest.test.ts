/** `slotkeeper/prefect` over Prefect's REST API, against answers a real server does not give on demand. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../../../../../test/eventually.ts';
import {
  AcquireConcurrencySlotTimeoutError,
  ConcurrencyContext,
  ConcurrencySlotAcquisitionError,
  close,
  concurrency,
  LeaseLostError,
  rateLimit,
} from '../../../src/prefect/v2/index.ts';
import type { Answer } from '../rest/scripted-api.ts';
import { FakePrefect } from './fake-prefect.ts';

const RUN = '0196a2c4-7c1e-7d55-8a86-0d1f6a3f9b01';

let prefect: FakePrefect;

beforeEach(async () => {
  prefect = await FakePrefect.start();
  prefect.limits.set('db', 2).set('gpu', 2);
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

const gone = (): Answer => ({ status: 410, body: { detail: 'Lease not found - it may have expired or been revoked' } });
const never = (): Promise<never> => new Promise(() => undefined);

describe('taking and giving back', () => {
  test('without names the body runs and nothing is asked', async () => {
    expect(await concurrency([], {}, () => 'done')).toBe('done');
    expect(await concurrency('', { strict: true }, () => 'done')).toBe('done');
    await rateLimit([], { strict: true });
    expect(prefect.asked).toEqual([]);
  });

  test('the slots are held while the body runs, and are given back by their lease', async () => {
    const taken = await concurrency(['db', 'gpu'], { occupy: 2 }, () => new Map(prefect.taken));
    expect(taken).toEqual(new Map([['db', 2], ['gpu', 2]])); // biome-ignore format: one line reads better
    expect(prefect.taken).toEqual(new Map([['db', 0], ['gpu', 0]])); // biome-ignore format: one line reads better
    expect(prefect.changes()).toEqual(['increment-with-lease', 'decrement-with-lease']);
  });

  test('a lease of 300 seconds is asked for and renewed at once', async () => {
    await concurrency('db', {}, () => eventually(() => expect(prefect.paths()).toContain('renew')));
    expect(prefect.asked[0]?.body).toEqual({ names: ['db'], slots: 1, mode: 'concurrency', lease_duration: 300 });
    expect(prefect.asked[1]?.body).toEqual({ lease_duration: 300 });
  });

  test('the lease has the duration and the holder that are told, and a name given twice counts once', async () => {
    const holder = { type: 'task_run', id: RUN } as const;
    await concurrency(['db', 'db'], { holder, leaseDuration: 60.5 }, () => undefined);
    expect(prefect.asked[0]?.body).toMatchObject({ names: ['db'], holder, lease_duration: 60.5 });
  });

  test('a body that throws gives its slots back, and its error comes out', async () => {
    const failure = new Error('the job failed');
    await expect(concurrency('db', {}, () => Promise.reject(failure))).rejects.toBe(failure);
    await expect(
      concurrency('db', {}, () => {
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(prefect.taken.get('db')).toBe(0);
  });

  test('without a body there is a scope, which gives back once', async () => {
    const scope = await concurrency('db');
    expect(prefect.taken.get('db')).toBe(1);
    await Promise.all([scope[Symbol.asyncDispose](), scope[Symbol.asyncDispose]()]);
    expect(prefect.changes()).toEqual(['increment-with-lease', 'decrement-with-lease']);
  });

  test('a release that fails comes out, unless the body has failed before', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const broken = (): Answer => ({ status: 500, body: { exception_message: 'Internal Server Error' } });
    prefect.scripts['decrement-with-lease'].push(broken, broken);
    await expect(concurrency('db', {}, () => undefined)).rejects.toThrow('/decrement-with-lease was answered with 500');
    await expect(concurrency('db', {}, () => Promise.reject(new Error('the job')))).rejects.toThrow('the job');
    expect(warn).toHaveBeenCalledOnce();
  });
});

describe('waiting', () => {
  test('a full limit is asked for again after Retry-After', async () => {
    prefect.taken.set('db', 2);
    prefect.scripts['increment-with-lease'].push(
      (usual) => usual(),
      (usual) => {
        prefect.taken.set('db', 0);
        return usual();
      },
    );
    await concurrency('db', { timeoutSeconds: 20 }, () => undefined);
    expect(prefect.changes()).toEqual(['increment-with-lease', 'increment-with-lease', 'decrement-with-lease']);
  });

  test('a wait that is longer than the timeout ends with it', async () => {
    prefect.taken.set('db', 2);
    prefect.retryAfter = '3600';
    const failure = await concurrency('db', { timeoutSeconds: 0.05 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AcquireConcurrencySlotTimeoutError);
    expect(failure).toMatchObject({
      name: 'TimeoutError',
      message: 'Attempt to acquire concurrency slots timed out after 0.05 second(s)',
    });
  });

  test('after so many retries the refusal comes out', async () => {
    prefect.taken.set('db', 2);
    const failure = await concurrency(['db', 'gpu'], { maxRetries: 2 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure).toMatchObject({
      message: "Unable to acquire concurrency slots on ['db', 'gpu']: 423 Locked: Locked",
      cause: { name: 'PrefectApiError', status: 423 },
    });
    expect(prefect.paths()).toHaveLength(3);
    await expect(concurrency('db', { maxRetries: 0 })).rejects.toThrow('423 Locked');
    expect(prefect.paths()).toHaveLength(4);
  });

  test('a lease that is granted after the caller has gone is given back', async () => {
    const caller = new AbortController();
    const answer = Promise.withResolvers<void>();
    prefect.scripts['increment-with-lease'].push(async (usual) => {
      caller.abort(new Error('no longer needed'));
      await answer.promise;
      return usual();
    });
    await expect(concurrency('db', { signal: caller.signal })).rejects.toThrow('no longer needed');
    answer.resolve();
    await close();
    expect(prefect.paths()).toEqual(['increment-with-lease', 'decrement-with-lease']);
    expect(prefect.taken.get('db')).toBe(0);
  });
});

describe('refusals', () => {
  test('a page that a proxy sends in place of an answer is no grant, and no release', async () => {
    const page = (): Answer => ({ status: 200, body: '<html>Sign in</html>' });
    prefect.scripts['increment-with-lease'].push(page);
    const failure = await concurrency('db', {}, () => 'the body ran').catch((error) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure.cause).toMatchObject({ name: 'NoAnswerError' });
    prefect.scripts.increment.push(page);
    await expect(rateLimit('db')).rejects.toBeInstanceOf(ConcurrencySlotAcquisitionError);
    prefect.scripts['decrement-with-lease'].push(page);
    await expect(concurrency('db', {}, () => undefined)).rejects.toThrow('/decrement-with-lease was answered with 200');
  });

  test('what the server says is told with its status, by the field', async () => {
    const refusals: [Answer, string][] = [
      [
        { status: 422, body: { detail: 'Slots requested is greater than the limit' } },
        '422 Unprocessable Entity: Slots requested is greater than the limit',
      ],
      [
        {
          status: 422,
          body: {
            exception_message: 'Invalid request received.',
            exception_detail: [
              { loc: ['body', 'slots'], msg: 'Input should be greater than 0' },
              { loc: ['body', 'names', 0], msg: 'Input should be a valid string' },
              { loc: [], msg: 'and more' },
            ],
          },
        },
        '422 Unprocessable Entity: slots: Input should be greater than 0; names.0: Input should be a valid string; and more',
      ],
      [{ status: 401, body: { exception_message: 'Unauthorized' } }, '401 Unauthorized'],
    ];
    for (const [answer, told] of refusals) {
      prefect.scripts['increment-with-lease'].push(() => answer);
      const failure = await concurrency('db').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
      expect(failure).toMatchObject({ message: `Unable to acquire concurrency slots on ['db']: ${told}` });
    }
  });

  test('nobody at the address is an error whose cause names it and what to do', async () => {
    vi.stubEnv('SLOTKEEPER_URL', 'http://127.0.0.1:9/api');
    await expect(concurrency('db')).rejects.toMatchObject({
      message: "Unable to acquire concurrency slots on ['db']",
      cause: { name: 'NoAnswerError', message: expect.stringContaining('http://127.0.0.1:9') },
    });
  });

  describe('what is not allowed is refused by its field, and nothing is asked', () => {
    const untyped = { concurrency, rateLimit } as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    test.each<[call: string, field: string, ...args: unknown[]]>([
      ['concurrency', 'names', 5],
      ['concurrency', 'names', ['']],
      ['concurrency', 'options', 'db', () => 'not to be run'],
      ['concurrency', 'occupied', 'db', { occupied: 2 }],
      ['concurrency', 'occupy', 'db', { occupy: 0 }],
      ['concurrency', 'occupy', 'db', { occupy: 1.5 }],
      ['concurrency', 'timeoutSeconds', 'db', { timeoutSeconds: -1 }],
      ['concurrency', 'maxRetries', 'db', { maxRetries: -1 }],
      ['concurrency', 'leaseDuration', 'db', { leaseDuration: 59 }],
      ['concurrency', 'leaseDuration', 'db', { leaseDuration: 86_401 }],
      ['concurrency', 'strict', 'db', { strict: 'yes' }],
      ['concurrency', 'raiseOnLeaseRenewalFailure', 'db', { raiseOnLeaseRenewalFailure: null }],
      ['concurrency', 'holder.type', 'db', { holder: { type: 'worker', id: RUN } }],
      ['concurrency', 'holder.id', 'db', { holder: { type: 'task_run', id: 'nightly' } }],
      ['concurrency', 'holder.label', 'db', { holder: { type: 'task_run', id: RUN, label: 'x' } }],
      ['concurrency', 'signal', 'db', { signal: null }],
      ['concurrency', 'body', 'db', {}, null],
      ['rateLimit', 'names', undefined],
      ['rateLimit', 'maxRetries', 'db', { maxRetries: 1 }],
      ['rateLimit', 'occupy', 'db', { occupy: 2 ** 31 }],
    ])('%s: %s', async (call, field, ...args) => {
      await expect(untyped[call]?.(...args)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
      expect(prefect.asked).toEqual([]);
    });
  });
});

describe('limits that are not there', () => {
  test('the body runs, with a warning, and nothing is renewed or given back', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    expect(await concurrency(['none', 'no'], {}, ({ signal }) => signal.aborted)).toBe(false);
    await rateLimit('none');
    expect(warn.mock.calls).toEqual([
      ["Concurrency limits ['none', 'no'] do not exist - skipping acquisition."],
      ["Concurrency limits ['none'] do not exist - skipping acquisition."],
    ]);
    expect(prefect.paths()).toEqual(['increment-with-lease', 'increment']);
    await close();
    expect(prefect.events).toEqual([]);
  });

  test('a strict call is refused, without a cause, and its body does not run', async () => {
    const body = vi.fn();
    for (const call of [concurrency('none', { strict: true }, body), rateLimit('none', { strict: true })]) {
      const failure = await call.catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
      expect(failure).toMatchObject({
        message: "Concurrency limits ['none'] must be created before acquiring slots",
      });
      expect(failure).not.toHaveProperty('cause');
    }
    expect(body).not.toHaveBeenCalled();
  });

  test('one of the names is enough for a strict call', async () => {
    expect(await concurrency(['none', 'db'], { strict: true }, () => 'done')).toBe('done');
  });
});

describe('a lease that is lost', () => {
  test('ends the body of a strict call, which its signal tells', async () => {
    prefect.scripts.renew.push(gone);
    const ended = Promise.withResolvers<unknown>();
    const call = concurrency('db', { strict: true }, ({ signal }) => {
      signal.addEventListener('abort', () => ended.resolve(signal.reason));
      return never();
    });
    const failure = await call.catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LeaseLostError);
    expect(failure).toMatchObject({
      message: expect.stringMatching(
        /^Concurrency lease renewal failed - slots are no longer reserved\. Terminating execution to prevent over-allocation\. Lease ID: [0-9a-f-]{36}, exception: .*410/,
      ),
      cause: { name: 'PrefectApiError', status: 410 },
    });
    expect(await ended.promise).toBe(failure);
    expect(prefect.taken.get('db')).toBe(0);
  });

  test('is warned of otherwise, and the body goes on', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    prefect.scripts.renew.push(gone);
    const outcome = await concurrency('db', {}, async ({ signal }) => {
      await eventually(() => expect(warn).toHaveBeenCalledOnce());
      return signal.aborted;
    });
    expect(outcome).toBe(false);
    expect(warn.mock.calls[0]?.[0]).toMatch(
      /^Concurrency lease renewal failed - slots are no longer reserved\. Execution will continue, but concurrency limits may be exceeded\. Lease ID: /,
    );
  });

  test('raiseOnLeaseRenewalFailure says so by itself, either way', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    prefect.scripts.renew.push(gone, gone);
    await expect(concurrency('db', { raiseOnLeaseRenewalFailure: true }, never)).rejects.toThrow(LeaseLostError);
    await concurrency('db', { strict: true, raiseOnLeaseRenewalFailure: false }, () =>
      eventually(() => expect(warn).toHaveBeenCalledOnce()),
    );
  });

  test('aborts the signal of a scope', async () => {
    prefect.scripts.renew.push(gone);
    await using scope = await concurrency('db', { strict: true });
    await eventually(() => expect(scope.signal.reason).toBeInstanceOf(LeaseLostError));
  });
});

describe('rateLimit', () => {
  test('takes by the mode of rates, and gives nothing back', async () => {
    await rateLimit(['db', 'gpu'], { occupy: 2 });
    expect(prefect.asked.map(({ path, body }) => [path, body])).toEqual([
      ['increment', { names: ['db', 'gpu'], slots: 2, mode: 'rate_limit' }],
    ]);
    expect(prefect.taken.get('db')).toBe(2);
  });

  test('waits as concurrency does', async () => {
    prefect.taken.set('db', 2);
    await expect(rateLimit('db', { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    prefect.scripts.increment.push(
      (usual) => usual(),
      (usual) => {
        prefect.taken.set('db', 0);
        return usual();
      },
    );
    await rateLimit('db', { timeoutSeconds: 20 });
    expect(prefect.paths()).toEqual(['increment', 'increment', 'increment']);
  });
});

describe('a context', () => {
  test('knows the leases that are held, and no others', async () => {
    await ConcurrencyContext.run(async ({ cleanupLeaseIds }) => {
      await concurrency('db', {}, () => expect(cleanupLeaseIds).toEqual([...prefect.leases.keys()]));
      expect(cleanupLeaseIds).toEqual([]);
    });
    expect(prefect.changes()).toEqual(['increment-with-lease', 'decrement-with-lease']);
  });

  test('makes up for a release that was cancelled as it exits', async () => {
    const caller = new AbortController();
    prefect.scripts['decrement-with-lease'].push(() => {
      caller.abort();
      return never();
    });
    await ConcurrencyContext.run(async ({ cleanupLeaseIds }) => {
      expect(await concurrency('db', { signal: caller.signal }, () => 'value')).toBe('value');
      expect(cleanupLeaseIds).toEqual([...prefect.leases.keys()]);
      expect(prefect.taken.get('db')).toBe(1);
    });
    expect(prefect.taken.get('db')).toBe(0);
  });

  test('gives back what is still held as it exits, and a failure to do so does not stop the others', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    prefect.scripts['decrement-with-lease'].push(() => ({ status: 500, body: {} }));
    const ids = await ConcurrencyContext.run(async ({ cleanupLeaseIds }) => {
      await concurrency('db');
      await concurrency('gpu');
      return cleanupLeaseIds;
    });
    expect(prefect.taken).toEqual(new Map([['db', 1], ['gpu', 0]])); // biome-ignore format: one line reads better
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0]?.[0]).toBe(`Failed to release concurrency lease ${ids[0]} during cleanup`);
  });

  test('a release is not cancelled where no context would make up for it', async () => {
    const caller = new AbortController();
    await concurrency('db', { signal: caller.signal }, () => caller.abort());
    expect(prefect.taken.get('db')).toBe(0);
  });
});

describe('events', () => {
  test('each limit is told as acquired, then as released, which follows', async () => {
    await concurrency(['db', 'gpu'], { occupy: 2 }, () => undefined);
    await close();
    expect(prefect.events.map(({ event, resource }) => [event, resource['prefect.resource.name']])).toEqual([
      ['prefect.concurrency-limit.acquired', 'db'],
      ['prefect.concurrency-limit.acquired', 'gpu'],
      ['prefect.concurrency-limit.released', 'db'],
      ['prefect.concurrency-limit.released', 'gpu'],
    ]);
    const [acquired, , released] = prefect.events;
    expect(acquired?.follows).toBeNull();
    expect(acquired?.resource).toEqual({
      'prefect.resource.id': 'prefect.concurrency-limit.id-of-db',
      'prefect.resource.name': 'db',
      'slots-acquired': '2',
      limit: '2',
    });
    expect(acquired?.related).toEqual([
      { 'prefect.resource.id': 'prefect.concurrency-limit.id-of-gpu', 'prefect.resource.role': 'concurrency-limit' },
    ]);
    expect(released?.follows).toBe(acquired?.id);
  });

  test('of a rate only that it was acquired', async () => {
    await rateLimit('db');
    await close();
    expect(prefect.events.map(({ event }) => event)).toEqual(['prefect.concurrency-limit.acquired']);
  });
});
