/** The disk fills up under load, to the last byte. */
import { describe, it } from 'vitest';
import { Disk, whyNoDisk } from './disk.ts';
import { isLong, LOAD, report, run, seeded, TIMEOUT_MS } from './experiment.ts';

const ROUNDS = isLong ? 100 : 5;
const DISK_BYTES = 32 * 2 ** 20;

describe('a full disk', () => {
  const reason = whyNoDisk();
  const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;
  it.skipIf(reason !== undefined)(
    `nothing is answered that could not be kept, the log says so, and it goes on once there is space${skipped}`,
    async () => {
      const random = seeded('full-disk.test.ts');
      using disk = new Disk(DISK_BYTES);
      const outcome = await run(
        {
          load: LOAD,
          processes: 3,
          place: { folder: disk.folder },
          fault: async ({ server, traffic }) => {
            for (let round = 0; round < ROUNDS; round += 1) {
              await traffic.grants(random.integer(1, 100));
              const before = server.output.length;
              disk.fill();
              await server.said(
                /Started again from the journal, since what was under way could not be kept: .*the disk is full/,
                before,
              );
              // As it starts again it may find the space that its own log took, and use that up, too.
              if (random.next() < 0.5) await server.said(/(?:the disk is full[\s\S]*){3}/, before);
              disk.free();
              await traffic.grants(50);
            }
            return ROUNDS;
          },
        },
        random,
      );
      report('a full disk', outcome);
    },
    TIMEOUT_MS,
  );
});
