/**
 * The server's own standstill counts against no lease, however it is noticed. The holder says nothing before the server has
 * noticed it, unless the test says so: a heartbeat would give its session a new time to live anyway.
 */
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { startWorld, TTL_MS, Wire, type World } from './wire.ts';

const STANDSTILL_MS = 3 * TTL_MS;
/** The timer is due within half a second, and only what comes after that is known to be a standstill. */
const PULSE_MS = 500;

let world: World;
let holder: Wire;
let held: string;
let token: number;

const isHeld = (): boolean => world.replica.engine.isValid(held, token);

beforeEach(async () => {
  world = await startWorld();
  world.replica.submit({ type: 'limit.set', name: 'db', id: randomUUID(), patch: { slots: 1 } });
  holder = new Wire(world).greet();
  held = holder.acquire([['db', 1]]);
  await world.time.pass(0);
  token = holder.grantOf(held)!.token;
  await world.time.pass(100);
});

/** The lease lasts as long as if the server had run all the time, and then it lapses though nobody says anything. */
async function lastsForItsTimeToLive(): Promise<void> {
  expect(isHeld()).toBe(true);
  const leftMs = TTL_MS - 100;
  await world.time.pass(leftMs - PULSE_MS - 10);
  expect(isHeld()).toBe(true);
  await world.time.pass(PULSE_MS + 20);
  expect(isHeld()).toBe(false);
}

describe('a server that stood still', () => {
  it('and whose timer notices it moves the deadlines by that, once', async () => {
    world.time.stall(STANDSTILL_MS);
    await world.time.pass(0);
    await lastsForItsTimeToLive();
  });

  it('and that is asked something before its timer fires moves the deadlines by that, once', async () => {
    world.time.stall(STANDSTILL_MS);
    new Wire(world).greet();
    await world.time.pass(0);
    await lastsForItsTimeToLive();
  });

  it('twice moves the deadlines by both', async () => {
    world.time.stall(STANDSTILL_MS);
    await world.time.pass(0);
    world.time.stall(STANDSTILL_MS);
    await world.time.pass(0);
    // Each time the part that came before the timer was due is unknown.
    expect(isHeld()).toBe(true);
    await world.time.pass(TTL_MS - 100 - 2 * PULSE_MS - 10);
    expect(isHeld()).toBe(true);
    await world.time.pass(2 * PULSE_MS + 20);
    expect(isHeld()).toBe(false);
  });

  it('hears what has arrived meanwhile before it acts on a deadline', async () => {
    // The timer is due at the deadline: all that comes after that is a standstill, and the deadline is now.
    await world.time.pass(TTL_MS - 110);
    world.time.stall(STANDSTILL_MS);
    world.time.soon(() => holder.send());
    await world.time.pass(1);
    expect([holder.isClosed, isHeld()]).toEqual([false, true]);
  });

  it('gives a holder that is heard before its timer fires no more than its time to live', async () => {
    world.time.stall(STANDSTILL_MS);
    holder.send();
    await world.time.pass(TTL_MS - 1);
    expect(isHeld()).toBe(true);
    await world.time.pass(2);
    expect(isHeld()).toBe(false);
  });
});

it('a timer that is a little late is no standstill', async () => {
  for (let passedMs = 100; passedMs < TTL_MS + 1_000; passedMs += 550) {
    await world.time.pass(500);
    world.time.stall(50);
  }
  await world.time.pass(0);
  expect(isHeld()).toBe(false);
});
