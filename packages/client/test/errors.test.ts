import { describe, expect, test } from 'vitest';
import * as ours from '../src/errors.ts';

const { SlotkeeperError, errorOf, ...classes } = { ...ours };

/** The page of the errors, as users read it. */
const page = {
  AcquireTimeoutError: 'ACQUIRE_TIMEOUT',
  LimitNotFoundError: 'LIMIT_NOT_FOUND',
  RequestTooLargeError: 'REQUEST_TOO_LARGE',
  QueueFullError: 'QUEUE_FULL',
  ConflictError: 'CONFLICT',
  LeaseLostError: 'LEASE_LOST',
  LeaseRevokedError: 'LEASE_REVOKED',
  ServerUnreachableError: 'SERVER_UNREACHABLE',
  AuthError: 'AUTH',
  InvalidRequestError: 'INVALID_REQUEST',
} as const;
const rows = Object.entries(page) as [keyof typeof page, ours.ErrorCode][];

describe.each(rows)('%s', (className, code) => {
  const error = new classes[className]('What to do.', { seen: 1 }, { cause: 'why' });

  test('has its code, its name, its details and its cause', () => {
    const name = code === 'ACQUIRE_TIMEOUT' ? 'TimeoutError' : className;
    expect(error).toMatchObject({ code, name, message: 'What to do.', details: { seen: 1 }, cause: 'why' });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe(`${name}: What to do.`);
  });

  test('is told apart from all others', () => {
    for (const [other, otherCode] of rows) {
      expect(error instanceof classes[other]).toBe(other === className);
      expect(SlotkeeperError.is(error, otherCode)).toBe(other === className);
    }
    expect(error).toBeInstanceOf(SlotkeeperError);
    expect(SlotkeeperError.is(error)).toBe(true);
  });

  test('is the same class in another copy of the package', async () => {
    const copy: string = '../src/errors.ts?another-copy';
    const theirs = (await import(copy)) as typeof ours;
    expect(theirs.SlotkeeperError).not.toBe(SlotkeeperError);
    const foreign = new theirs[className]('What to do.');
    expect(foreign).toBeInstanceOf(classes[className]);
    expect(foreign).toBeInstanceOf(SlotkeeperError);
    expect(SlotkeeperError.is(foreign, code)).toBe(true);
  });

  test('is made of what the server answers', () => {
    const answered = errorOf({ code, message: 'It happened.', details: { seen: 2 } });
    expect(answered).toBeInstanceOf(classes[className]);
    expect(answered).toMatchObject({ message: expect.stringMatching(/^It happened\./), details: { seen: 2 } });
  });

  test('is a class with its name', () => {
    expect(classes[className].name).toBe(className);
  });
});

describe('what the server states is followed by what to call', () => {
  const answers: readonly [code: ours.ErrorCode, details: Record<string, unknown>, advice: string][] = [
    ['ACQUIRE_TIMEOUT', {}, 'Wait longer, or look at who holds it.'],
    ['LIMIT_NOT_FOUND', { names: ['db'] }, 'Create it (limits.ensure), or tell onMissing what to do without it.'],
    [
      'LIMIT_NOT_FOUND',
      { names: ['a', 'b'] },
      'Create them (limits.ensure), or tell onMissing what to do without them.',
    ],
    ['REQUEST_TOO_LARGE', { name: 'db', wanted: 3, slots: 1 }, 'Ask for less, or raise the limit.'],
    ['QUEUE_FULL', { max: 5 }, 'Try again later.'],
    ['QUEUE_FULL', { max: 5, name: 'db' }, "Try again later, or raise the limit's maxWaiters."],
    ['QUEUE_FULL', { max: 5, bound: 'waiters' }, 'Try again later, or raise --max-waiters.'],
    [
      'LIMIT_NOT_FOUND',
      { names: ['db'], creates: false },
      'Ask who runs the server for it: it was started with --no-create.',
    ],
    ['CONFLICT', { name: 'db', mode: 'draining' }, 'Resume it first (limits.resume).'],
    ['CONFLICT', { name: 'db', mode: 'open' }, 'Drain it again to wait for them.'],
    [
      'CONFLICT',
      { name: 'db', holders: 2 },
      'Wait for them (limits.drain), or delete it with force, which revokes their leases.',
    ],
    ['CONFLICT', { lease: 'x' }, 'Choose a new id for each acquire.'],
    ['CONFLICT', { connection: 1, last: 2 }, 'Connect anew.'],
    ['CONFLICT', { name: 'db' }, 'Choose another name, or delete that one first.'],
    [
      'INVALID_REQUEST',
      { names: ['db'], field: 'limits' },
      'Hold them (concurrency, acquire), or make it a rate (limits.set, with rate).',
    ],
    ['INVALID_REQUEST', { name: 'db', field: 'slots' }, 'Give its slots to create it.'],
    ['LEASE_LOST', { lease: 'x' }, 'Stop what it guards, and acquire again to go on.'],
    ['LEASE_REVOKED', { lease: 'x', reason: 'y' }, 'Stop what it guards.'],
  ];

  test.each(answers)('%s %j', (code, details, advice) => {
    expect(errorOf({ code, message: 'It happened.', details }).message).toBe(`It happened. ${advice}`);
  });

  test('but once: a server of 0.1.0 says it, too', () => {
    const message = 'It happened. Ask for less, or raise the limit.';
    expect(errorOf({ code: 'REQUEST_TOO_LARGE', message, details: {} }).message).toBe(message);
  });

  test('unless there is nothing to call', () => {
    expect(errorOf({ code: 'INVALID_REQUEST', message: 'slots must be 1.', details: { field: 'x' } }).message).toBe(
      'slots must be 1.',
    );
  });
});

test('a code of a later server is an error with that code', () => {
  const later = errorOf({ code: 'LATER' as ours.ErrorCode, message: 'It happened.', details: { seen: 1 } });
  expect(later).toMatchObject({ code: 'LATER', message: 'It happened.', details: { seen: 1 } });
  expect(SlotkeeperError.is(later)).toBe(true);
  expect(ours.withStack(later, ' at x')).toMatchObject({ code: 'LATER', message: 'It happened.' });
});

test('what only looks like one is none', () => {
  for (const other of [new Error('x'), { code: 'CONFLICT' }, null, undefined, 'CONFLICT']) {
    expect(SlotkeeperError.is(other)).toBe(false);
    expect(other instanceof SlotkeeperError).toBe(false);
  }
});

test('a class that a program derives goes by its prototype', () => {
  class Mine extends ours.ConflictError {}
  expect(new Mine('x')).toBeInstanceOf(Mine);
  expect(new Mine('x')).toBeInstanceOf(ours.ConflictError);
  expect(new ours.ConflictError('x')).not.toBeInstanceOf(Mine);
});

test('what would move the cursor of a terminal stands in a message by its code, and in the details as it is', () => {
  const error = new ours.LimitNotFoundError("There is no limit named '\u001b[2Jdb'.", { names: ['\u001b[2Jdb'] });
  expect(error.message).toBe("There is no limit named '\\u001b[2Jdb'.");
  expect(error.details).toEqual({ names: ['\u001b[2Jdb'] });
});
