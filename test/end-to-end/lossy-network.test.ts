import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { VirtualFleet } from '../virtual-fleet.ts';

describe('case 5: a retried acquire takes slots once', () => {
  it('over a network that loses a fifth of all replies, 10,000 acquires leave no orphan', async () => {
    const random = new Random();
    console.log(`seed ${random.seed}: SEED=${random.seed} npx vitest run test/end-to-end/lossy-network.test.ts`);
    const fleet = new VirtualFleet(random);
    await fleet.startServer();
    const keepers = await Promise.all(Array.from({ length: 10 }, async () => (await fleet.connect()).keeper));
    const slots: Readonly<Record<string, number>> = { one: 1, five: 5, many: 30 };
    for (const name in slots) {
      fleet.replica.submit({ type: 'limit.set', name, id: name, patch: { slots: slots[name] as number } });
    }
    fleet.network.lostReplies = 0.2;
    fleet.network.latencyMs = [1, 20];

    let acquires = 0;
    const held: Record<string, number> = { one: 0, five: 0, many: 0 };
    const asks: readonly Record<string, number>[] = [{ one: 1 }, { five: 2 }, { many: 7, five: 1 }, { many: 1 }];
    const caller = async (keeper: (typeof keepers)[number]): Promise<void> => {
      while (acquires < 10_000) {
        acquires += 1;
        const lease = await keeper.acquire(random.pick(asks));
        for (const { name, slots: taken } of lease.limits) {
          held[name] = (held[name] as number) + taken;
          expect(held[name], `held of '${name}'`).toBeLessThanOrEqual(slots[name] as number);
        }
        await new Promise<void>((resolve) => fleet.time.setTimer(random.integer(0, 50), resolve));
        expect(lease.signal.aborted).toBe(false);
        for (const { name, slots: taken } of lease.limits) held[name] = (held[name] as number) - taken;
        await lease.release();
      }
    };
    let working = true;
    const work = Promise.all(keepers.flatMap((keeper) => Array.from({ length: 10 }, () => caller(keeper)))).then(() => {
      working = false;
    });
    await fleet.until(() => !working, work);
    await work;
    expect(fleet.network.lost).toBeGreaterThan(500);
    fleet.network.lostReplies = 0;
    await fleet.time.pass(60_000);
    expect([...fleet.replica.engine.holders(null)]).toEqual([]);
    expect(fleet.replica.engine.waiters(null)).toEqual([]);
    console.log(`${acquires} acquires, ${fleet.network.lost} replies lost, none taken twice`);
  });
});
