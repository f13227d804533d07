/** SIGSTOP: a server that stands still for longer than its leases live, and clients that do. */
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { held, isLong, LOAD, report, run, type Stage, seeded, TIMEOUT_MS } from './experiment.ts';

const TTL_SECONDS = 2;
const ROUNDS = isLong ? 60 : 6;
/** After some of these pauses one session's time is up and another's is not; after others, all sessions' time. */
const SOME_MS = [750 * TTL_SECONDS, 1_000 * TTL_SECONDS] as const;
const ALL_MS = [1_000 * TTL_SECONDS, 1_500 * TTL_SECONDS] as const;

/** Holds that outlast the pauses, and sessions whose last signs of life are at very different times when a pause begins. */
const load = {
  ...LOAD,
  asks: LOAD.asks.map(({ amounts }) => held([0, 2_000 * TTL_SECONDS])(amounts)),
  sessions: 8,
  callers: 1,
  ttlSeconds: TTL_SECONDS,
};

async function stopTheServer({ server, traffic, random }: Stage): Promise<number> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await traffic.grants(random.integer(1, 10));
    server.signal('SIGSTOP');
    await setTimeout(random.integer(...(round % 2 === 0 ? SOME_MS : ALL_MS)));
    server.signal('SIGCONT');
  }
  return ROUNDS;
}

async function stopClients({ traffic, random }: Stage): Promise<number> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await traffic.grants(random.integer(1, 10));
    const victims = new Set([random.pick(traffic.running), random.pick(traffic.running)]);
    for (const victim of victims) victim.signal('SIGSTOP');
    await setTimeout(random.integer(...(round % 2 === 0 ? SOME_MS : ALL_MS)));
    for (const victim of victims) victim.signal('SIGCONT');
  }
  return ROUNDS;
}

describe.concurrent('case 3: the server stands still', () => {
  it(
    'its own downtime counts against no lease: holders that chose to continue lose none, never above a limit',
    async () => {
      const random = seeded('stop.test.ts');
      const outcome = await run({ load: { ...load, onLost: 'continue' }, processes: 4, fault: stopTheServer }, random);
      const ran = [...outcome.clients.values()].filter((seen) => !seen.some(({ type }) => type === 'stalled'));
      expect(ran.flat().filter(({ type }) => type === 'lost')).toEqual([]);
      report('SIGSTOP of the server, holders continue', outcome);
    },
    TIMEOUT_MS,
  );

  it(
    'holders that chose to abort do so in time, and everybody is served',
    async () => {
      const outcome = await run({ load, processes: 4, fault: stopTheServer }, seeded('stop.test.ts'));
      report('SIGSTOP of the server, holders abort', outcome);
    },
    TIMEOUT_MS,
  );
});

describe.concurrent('case 13: holders stand still beyond their time to live', () => {
  it(
    'their slots go to others under greater tokens, and as they wake they hold nothing',
    async () => {
      const outcome = await run({ load, processes: 6, fault: stopClients }, seeded('stop.test.ts'));
      report('SIGSTOP of holders and waiters', outcome);
    },
    TIMEOUT_MS,
  );
});
