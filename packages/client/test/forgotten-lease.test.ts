/** A lease that keeps its process alive. */
import { expect, test } from 'vitest';
import { ForgottenLease } from '../src/forgotten-lease.ts';
import type { Warning } from '../src/keeper.ts';
import { connected, holding } from './world.ts';

test('a minute after the grant, and once, it is told by its limit and by the line that took it', async () => {
  const world = await connected(null);
  const { clock, session } = world;
  const warnings: Warning[] = [];
  let isAlone = true;
  const ifAlone = (alone: () => void): void => (isAlone ? alone() : undefined);
  const forgotten = new ForgottenLease(clock, session, ifAlone, (warning) => warnings.push(warning));
  const lease = await holding(world);
  forgotten.busy = true;
  await clock.pass(59_000);
  expect(warnings).toEqual([]);
  await clock.pass(600_000);
  expect(warnings).toMatchObject([{ code: 'LEASE_FORGOTTEN', details: { lease: lease.id } }]);
  expect(warnings[0]?.message).toMatch(
    /^Nothing but lease .* on 'db' keeps this process alive.*taken at .*world\.ts:\d+/,
  );
  isAlone = false;
});

test.each([
  ['while something else keeps the process alive', false, false],
  ['while the keeper waits for something', true, true],
])('it is not told %s', async (_, isAlone, waits) => {
  const world = await connected(null);
  const { clock, session, keeper } = world;
  const warnings: Warning[] = [];
  const forgotten = new ForgottenLease(
    clock,
    session,
    (alone) => (isAlone ? alone() : undefined),
    (warning) => warnings.push(warning),
  );
  await holding(world);
  if (waits) void keeper.acquire('db').catch(() => {});
  forgotten.busy = true;
  await clock.pass(600_000);
  expect(warnings).toEqual([]);
});
