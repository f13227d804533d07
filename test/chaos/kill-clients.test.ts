/** kill -9 of holders and waiters: nothing they held or waited for stays behind. */
import { describe, expect, it } from 'vitest';
import { held, isLong, LOAD, type Outcome, report, run, type Stage, seeded, TIMEOUT_MS } from './experiment.ts';

const TTL_SECONDS = 2;
const ROUNDS = isLong ? 100 : 8;
/** Killed at once, at the most. */
const VICTIMS_MAX = 3;
/** Limits of one slot, so that it is plain whom a slot went to after its holder was killed. */
const ALONE = ['a', 'b', 'c', 'd', 'e', 'f'];
const SLOTS = { ...Object.fromEntries(ALONE.map((name) => [name, 1])), three: 3, ten: 10 };
const ASKS = [...ALONE.map((name) => ({ [name]: 1 })), { three: 2, ten: 1 }, { ten: 4 }, { a: 1, b: 1 }].map(
  held([0, 20]),
);

async function killClients({ traffic, random }: Stage): Promise<number> {
  let killed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await traffic.grants(random.integer(0, 200));
    const victims = [...new Set(Array.from({ length: VICTIMS_MAX }, () => random.pick(traffic.running)))];
    killed += victims.length;
    await Promise.all(victims.map((victim) => victim.kill()));
    await Promise.all(victims.map(() => traffic.add()));
  }
  return killed;
}

/** How long after the kill of a holder its slot went to another, of each that was killed as it held a limit's only one. */
function grantedOnAfterMs({ clients }: Outcome): number[] {
  const all = [...clients.values()];
  const grants = all
    .flat()
    .filter((seen) => seen.type === 'granted')
    .sort((a, b) => a.token - b.token);
  return all.flatMap((seen) => {
    const killedAtMs = seen.find(({ type }) => type === 'killed')?.atMs;
    if (killedAtMs === undefined) return [];
    const over = new Set(seen.flatMap((one) => (one.type === 'releasing' || one.type === 'lost' ? [one.call] : [])));
    const held = grants.filter((grant) => seen.includes(grant) && !over.has(grant.call));
    return held.flatMap(({ token, amounts }) =>
      ALONE.filter((name) => amounts[name]).flatMap((name) => {
        const next = grants.find((grant) => grant.token > token && grant.amounts[name]);
        return next ? [next.atMs - killedAtMs] : [];
      }),
    );
  });
}

describe('case 1: holders and waiters are killed with -9', () => {
  it(
    'their slots go to others, their places to nobody, and all others are served',
    async () => {
      const random = seeded('kill-clients.test.ts');
      const load = { ...LOAD, asks: ASKS, ttlSeconds: TTL_SECONDS };
      const outcome = await run({ slots: SLOTS, load, processes: 6, fault: killClients }, random);
      report('kill -9 of holders and waiters', outcome);
      const times = grantedOnAfterMs(outcome).sort((a, b) => a - b);
      expect(times.length).toBeGreaterThan(0);
      const [median, longest] = [times[Math.floor(times.length / 2)], times.at(-1)].map((ms) =>
        (Number(ms) / 1_000).toFixed(2),
      );
      console.log(
        `${times.length} slots of killed holders were granted on after ${median} s (median), ${longest} s (longest); time to live ${TTL_SECONDS} s`,
      );
    },
    TIMEOUT_MS,
  );
});
