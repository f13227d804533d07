/** When a lease of a Prefect API is renewed, and when it is given up, on a clock that the test moves. */
import { PrefectApiError } from '@slotkeeper/protocol/prefect';
import { beforeEach, expect, test } from 'vitest';
import { VirtualTime } from '../../../../../test/virtual-time.ts';
import { LeaseRenewal } from '../../../src/prefect/v2/lease-renewal.ts';

const LEASE_MS = 60_000;

let time: VirtualTime;
/** At what time, in seconds, the server was asked, or it was told that the lease is lost. */
let log: string[];
/** What the next answers are; `renewed` once they are used up. A promise that does not settle: none. */
let answers: (Error | Promise<void>)[];

beforeEach(() => {
  time = new VirtualTime();
  log = [];
  answers = [];
});

function start(): LeaseRenewal {
  const note = (text: string) => log.push(`${time.monotonicMs() / 1_000} ${text}`);
  return new LeaseRenewal(
    {
      durationMs: LEASE_MS,
      renew: async () => {
        note('asked');
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        await answer;
      },
      lost: (cause) => note(`lost: ${(cause as Error).message}`),
    },
    time,
  );
}

function refused(status: number): PrefectApiError {
  const reply = { status, statusText: '', headers: new Headers(), text: '{"detail":"no"}', json: { detail: 'no' } };
  return new PrefectApiError('/renew', reply);
}

test('a lease is renewed at once, and again after each three quarters of it', async () => {
  start();
  await time.pass(100_000);
  expect(log).toEqual(['0 asked', '45 asked', '90 asked']);
});

test('a renewal that fails is tried three times, one and two seconds apart', async () => {
  answers = [new Error('first'), new Error('second'), new Error('third')];
  start();
  await time.pass(100_000);
  expect(log).toEqual(['0 asked', '1 asked', '3 asked', '3 lost: third']);
});

test('the tries are counted anew for each renewal', async () => {
  answers = [new Error('first'), new Error('second')];
  start();
  await time.pass(4_000);
  answers = [new Error('first'), new Error('second')];
  await time.pass(50_000);
  expect(log).toEqual(['0 asked', '1 asked', '3 asked', '48 asked', '49 asked', '51 asked']);
});

test('a lease that the server does not know any more is lost at once', async () => {
  answers = [refused(410)];
  start();
  await time.pass(100_000);
  expect(log).toEqual(['0 asked', '0 lost: POST /renew was answered with 410: no']);
});

test('a refusal of another kind is tried again', async () => {
  answers = [refused(500)];
  start();
  await time.pass(4_000);
  expect(log).toEqual(['0 asked', '1 asked']);
});

test('a renewal without an answer is a loss as the lease ends, counted from when the last good one was sent', async () => {
  const slow = Promise.withResolvers<void>();
  answers = [slow.promise, new Promise<void>(() => undefined)];
  start();
  await time.pass(10_000);
  slow.resolve();
  await time.pass(49_999);
  expect(log).toEqual(['0 asked', '55 asked']);
  await time.pass(1);
  expect(log.at(-1)).toBe('60 lost: no answer within 60 s');
});

test('a loss as the lease ends tells how the last try has failed, and the tries go on', async () => {
  start();
  await time.pass(44_000);
  answers = [new Promise<void>((_, reject) => time.setTimer(10_000, () => reject(new Error('away'))))];
  answers.push(new Promise<void>((resolve) => time.setTimer(20_000, resolve)));
  await time.pass(40_000);
  expect(log).toEqual(['0 asked', '45 asked', '55 asked', '60 lost: away']);
  await time.pass(30_000);
  expect(log.slice(4)).toEqual(['109 asked']);
});

test('once stopped nothing is asked or told any more', async () => {
  const late = Promise.withResolvers<void>();
  answers = [late.promise];
  const renewal = start();
  await time.pass(1_000);
  renewal.stop();
  late.reject(new Error('late'));
  await time.pass(200_000);
  expect(log).toEqual(['0 asked']);
});
