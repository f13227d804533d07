/** Many at once: clients that connect, and acquires that wait. */
import { setTimeout } from 'node:timers/promises';
import { connect } from 'slotkeeper';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.ts';
import { held, isLong, LOAD, report, run, seeded, TIMEOUT_MS } from './experiment.ts';

const PROCESSES = 4;
const SESSIONS = 2_000;
const WAITERS = 5_000;
const WAIT_SECONDS = isLong ? 60 : 8;

describe('a crowd', () => {
  it(
    `${SESSIONS} clients that connect at once are all served, and again after a kill -9 that has them all come back at once`,
    async () => {
      const random = seeded('crowd.test.ts');
      const outcome = await run(
        {
          slots: { few: 50 },
          load: {
            ...LOAD,
            asks: [held([0, 5])({ few: 1 })],
            sessions: SESSIONS / PROCESSES,
            callers: 1,
          },
          processes: PROCESSES,
          fault: async ({ traffic, crash }) => {
            await traffic.grants(SESSIONS);
            await crash();
            await traffic.grants(SESSIONS);
            return 1;
          },
        },
        random,
      );
      // A call is named by its process, session, caller and round.
      const served = [...outcome.clients.values()].flat().filter(({ type }) => type === 'granted');
      const sessions = new Set(served.map((seen) => 'call' in seen && seen.call.split('.', 2).join()));
      expect(sessions.size).toBe(SESSIONS);
      report(`${SESSIONS.toLocaleString('en')} clients at once, kill -9 of the server`, outcome);
    },
    TIMEOUT_MS,
  );

  it(
    `case 15: ${WAITERS} waiters write nothing: the journal has grants, releases and limits changed, no more`,
    async () => {
      const random = seeded('crowd.test.ts');
      const sessions = 25;
      const callers = WAITERS / PROCESSES / sessions;
      const outcome = await run(
        {
          slots: { few: 4 },
          load: { ...LOAD, asks: [held([10, 20])({ few: 1 })], sessions, callers },
          processes: PROCESSES,
          fault: async ({ server }) => {
            await using keeper = await connect(server.url);
            // Some are on their way from a release to their next acquire.
            await eventually(async () => {
              const { waiters } = await keeper.limits.get('few');
              expect(waiters).toBeGreaterThan(0.98 * WAITERS);
            });
            await setTimeout(WAIT_SECONDS * 1_000);
            return 0;
          },
        },
        random,
      );
      // One limit was made, and at the end all its slots were taken and given back once more.
      expect(outcome.facts).toBeLessThanOrEqual(outcome.operations + 1 + 2);
      report(
        `${WAITERS.toLocaleString('en')} waiters for ${WAIT_SECONDS} s, ${outcome.facts.toLocaleString('en')} facts`,
        outcome,
      );
    },
    TIMEOUT_MS,
  );
});
