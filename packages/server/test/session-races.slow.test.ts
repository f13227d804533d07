import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../test/random.ts';
import { startWorld, TTL_MS, Wire } from './wire.ts';

describe('case 3: renewal against expiry', () => {
  it('10,000 races: no lease is lost after a renewal that was acknowledged', async () => {
    const random = new Random();
    console.log(
      `seed ${random.seed}: SEED=${random.seed} npx vitest run packages/server/test/session-races.slow.test.ts`,
    );
    const world = await startWorld();
    let renewed = 0;
    for (let race = 0; race < 10_000; race += 1) {
      const name = `l${race}`;
      world.replica.submit({ type: 'limit.set', name, id: randomUUID(), patch: { slots: 1 } });
      const holder = new Wire(world).greet();
      const lease = holder.acquire([[name, 1]]);
      await world.time.pass(0);
      const token = holder.grantOf(lease)?.token as number;
      // Somebody else may want it; it greets so much later that its own time to live outlasts the race.
      const isContended = race % 2 === 0;
      await world.time.pass(TTL_MS / 2);
      const rival = new Wire(world).greet();
      const wanted = isContended ? rival.acquire([[name, 1]]) : '';
      await world.time.pass(0);

      const acked = holder.ack;
      await world.time.pass(TTL_MS / 2 + random.integer(-2, 2));
      if (!holder.isClosed) holder.send();
      await world.time.pass(random.integer(0, 3));
      if (holder.ack > acked) {
        renewed += 1;
        expect(world.replica.engine.isValid(lease, token)).toBe(true);
        await world.time.pass(TTL_MS / 2 - 10);
        expect(world.replica.engine.isValid(lease, token), 'a renewal lasts for a time to live').toBe(true);
        expect(rival.grantOf(wanted)).toBeUndefined();
      } else {
        expect(world.replica.engine.isValid(lease, token)).toBe(false);
        if (isContended) expect(rival.grantOf(wanted)?.token).toBeGreaterThan(token);
      }
      for (const wire of [holder, rival]) if (!wire.isClosed) wire.send({ type: 'bye' });
      await world.time.pass(0);
      world.replica.submit({ type: 'limit.delete', name, force: true });
    }
    expect(renewed).toBeGreaterThan(2_000);
    expect(renewed).toBeLessThan(8_000);
  });
});
