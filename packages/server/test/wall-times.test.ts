/** One start with a fast clock: deadlines go on by the journal's time, and people are told the time of day. */
import { randomUUID } from 'node:crypto';
import { MemoryStore } from '@slotkeeper/journal';
import { beforeEach, expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { cameBack } from '../src/came-back.ts';
import { startWorld, TTL_MS, Wire, type World } from './wire.ts';

const YEAR_MS = 365 * 86_400_000;
let store: MemoryStore;
let time: VirtualTime;
let world: World;

/** A server runs with a clock that is a year fast. */
beforeEach(async () => {
  time = new VirtualTime(new Date('2027-01-01T00:00:00Z'));
  store = new MemoryStore();
  world = await startWorld({ store, time });
  world.replica.submit({ type: 'limit.set', name: 'db', id: randomUUID(), patch: { slots: 1 } });
  await time.pass(1);
});

async function called(
  wire: Wire,
  method: 'holders' | 'waiters',
): Promise<{ readonly sinceMs: number; readonly expiresAtMs?: number }> {
  wire.send({ type: 'call', id: 1, method, params: { limit: 'db', after: null } });
  await time.pass(0);
  const value = wire.of('reply').at(-1)?.value as { items: { sinceMs: number; expiresAtMs?: number }[] };
  return value.items[0] as { sinceMs: number; expiresAtMs?: number };
}

it.each([
  ['the next start has the right one', true],
  ['it is set right while the server runs', false],
])('a clock that was a year fast: %s', async (_, isStartedAgain) => {
  time.stepWall(-YEAR_MS);
  if (isStartedAgain) {
    await world.replica.stop();
    world = await startWorld({ store, time });
  }
  await time.pass(1_000);
  const [a, b] = [new Wire(world).greet(), new Wire(world).greet()];
  await time.pass(1_000);
  const grantedAtMs = time.wallMs();
  const held = a.acquire([['db', 1]]);
  const waiting = b.acquire([['db', 1]], { timeoutMs: 3_000 });
  await time.pass(2_000);
  expect(a.grantOf(held)?.grantedAtMs).toBeCloseTo(grantedAtMs, -1);
  const holder = await called(a, 'holders');
  expect(holder.sinceMs).toBeCloseTo(grantedAtMs, -1);
  expect(holder.expiresAtMs).toBeGreaterThan(time.wallMs());
  expect(holder.expiresAtMs).toBeLessThanOrEqual(time.wallMs() + TTL_MS);
  expect((await called(b, 'waiters')).sinceMs).toBeCloseTo(grantedAtMs, -1);
  await time.pass(1_000);
  const { error } = b.of('refused').find(({ leaseId }) => leaseId === waiting) ?? {};
  const explained = error?.details.explanation as { lacking: { heldBy: { since: number }[] }[] } | undefined;
  expect(explained?.lacking[0]?.heldBy[0]?.since).toBeCloseTo(grantedAtMs, -1);
});

it('a start whose journal is ahead of the clock by more than a minute says so, and what came back', async () => {
  expect(cameBack(world.replica)).toEqual([
    'Started from the journal at position 1: 1 limit and 0 leases. Whoever holds a lease has its time to live to come back.',
  ]);
  for (const [aheadMs, sentences] of [
    [59_000, 1],
    [YEAR_MS, 2],
  ] as const) {
    time.stepWall(-aheadMs);
    await world.replica.stop();
    world = await startWorld({ store, time });
    expect(cameBack(world.replica)).toHaveLength(sentences);
    time.stepWall(aheadMs);
  }
  expect(cameBack(world.replica)[1]).toContain("this machine's clock says 2026-01-01T00:00:");
});
