/** A network between clients and server that delays, cuts, half-closes, falls silent and loses replies. */
import { describe, it } from 'vitest';
import { BadNetwork } from './bad-network.ts';
import { isLong, LOAD, report, run, seeded, TIMEOUT_MS } from './experiment.ts';

const MISHAPS = isLong ? 5_000 : 200;

describe('case 5: a bad network', () => {
  it(
    `of ${MISHAPS} mishaps none takes slots twice, loses a release or leaves an orphan`,
    async () => {
      const random = seeded('bad-network.test.ts');
      let network: BadNetwork | undefined;
      try {
        const outcome = await run(
          {
            load: { ...LOAD, sessions: 6, callers: 2, ttlSeconds: 2, impatient: 0.2 },
            processes: 4,
            between: async (serverUrl) => {
              network = await BadNetwork.start(serverUrl, random);
              return network.url;
            },
            fault: async () => {
              (network as BadNetwork).badness = 0.04;
              await network?.mishaps(MISHAPS);
              (network as BadNetwork).badness = 0;
              return MISHAPS;
            },
          },
          random,
        );
        console.log(network?.counts);
        report('a network that delays, cuts, half-closes, is silent, loses replies', outcome);
      } finally {
        await network?.[Symbol.asyncDispose]();
      }
    },
    TIMEOUT_MS,
  );
});
