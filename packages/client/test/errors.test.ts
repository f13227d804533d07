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

  test('is made of what the server tells', () => {
    const told = errorOf({ code, message: 'Told.', details: { seen: 2 } });
    expect(told).toBeInstanceOf(classes[className]);
    expect(told).toMatchObject({ message: 'Told.', details: { seen: 2 } });
  });
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
