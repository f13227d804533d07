/** kill -9 of the server at random moments under load from several processes. */
import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { isLong, LOAD, report, run, type Stage, seeded, TIMEOUT_MS } from './experiment.ts';

/** Side by side: most of the time each of them waits for its clients to come back. */
const SERVERS = 5;
const KILLS = Number(process.env.KILLS ?? (isLong ? 2_000 : 100));

async function killTheServer({ traffic, random, crash }: Stage): Promise<number> {
  const kills = KILLS / SERVERS;
  for (let kill = 0; kill < kills; kill += 1) {
    await traffic.grants(random.integer(0, 40));
    await crash();
  }
  return kills;
}

describe('case 1: the server is killed with -9', () => {
  it(
    `at ${KILLS} random moments: everything acknowledged is there after each restart, nobody loses a slot, never above a limit`,
    async () => {
      const random = seeded('kill-server.test.ts');
      const load = { ...LOAD, onLost: 'continue' as const };
      const seeds = Array.from({ length: SERVERS }, (_, server) => random.seed + server);
      const outcomes = await Promise.all(
        seeds.map((seed) => run({ load, processes: 2, fault: killTheServer }, new Random(seed))),
      );
      for (const { clients, grants } of outcomes) {
        expect([...clients.values()].flat().filter(({ type }) => type === 'lost')).toEqual([]);
        expect(grants).toBeGreaterThan(KILLS / SERVERS);
      }
      report('kill -9 of the server', ...outcomes);
    },
    TIMEOUT_MS,
  );
});
