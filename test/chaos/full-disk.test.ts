/** The disk fills up under load, to the last byte. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Disk, whyNoDisk } from '../disk.ts';
import { eventually } from '../eventually.ts';
import { isLong, LOAD, report, run, seeded, TIMEOUT_MS } from './experiment.ts';

const ROUNDS = isLong ? 100 : 5;
const DISK_BYTES = 32 * 2 ** 20;

describe('a full disk', () => {
  const reason = whyNoDisk();
  const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;
  it.skipIf(reason !== undefined)(
    `grants and releases go on, nothing is answered that could not be kept, and a server that cannot start waits for space${skipped}`,
    async () => {
      const random = seeded('full-disk.test.ts');
      using disk = new Disk(DISK_BYTES);
      const outcome = await run(
        {
          load: LOAD,
          processes: 3,
          place: { folder: disk.folder },
          fault: async ({ server, traffic, crash }) => {
            for (let round = 0; round < ROUNDS; round += 1) {
              await traffic.grants(random.integer(1, 100));
              disk.fill();
              await traffic.grants(random.integer(1, 100));
              disk.fill();
              await traffic.grants(50);
              expect(server.output).not.toMatch(/Started again from the journal/);
              disk.free();
              await traffic.grants(50);
            }
            const started = crash(async () => {
              rmSync(join(server.data, 'ballast'));
              disk.fill();
            });
            await eventually(() => expect(server.output).toMatch(/the disk is full.*starts once there is space/));
            disk.free();
            await started;
            await traffic.grants(50);
            return ROUNDS + 1;
          },
        },
        random,
      );
      report('a full disk', outcome);
    },
    TIMEOUT_MS,
  );
});
