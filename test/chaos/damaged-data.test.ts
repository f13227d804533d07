/** A data folder that is not as the server left it: it starts with everything acknowledged, or not at all and says why. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Disk, whyNoDisk } from '../disk.ts';
import { ServerEnded, ServerProcess } from '../server-process.ts';
import { type Damage, flipped, flippedLog, gone, newer, readOnly, truncated } from './damage.ts';
import { isLong, journalAfter, LOAD, report, run, type Stage, seeded, TIMEOUT_MS } from './experiment.ts';

const ROUNDS = isLong ? 40 : 3;
const DAMAGES = [
  truncated,
  truncated,
  truncated,
  flipped,
  flipped,
  flipped,
  flipped,
  flippedLog,
  flippedLog,
  gone,
  newer,
];
/** There is no way on for these. */
const HOPELESS = new Set<Damage>([gone, newer, readOnly]);

type Fate = 'refused' | 'served';

/** Starts a server on what is left; `acknowledged`: what it must have, if it serves. */
async function fate(folder: string, acknowledged: unknown, told: string): Promise<Fate> {
  await using server = new ServerProcess({ folder });
  try {
    await server.start();
  } catch (error) {
    if (!(error instanceof ServerEnded)) throw error;
    expect(error.code, told).toBe(1);
    expect(error.output, told).toMatch(/^[^\n]*slotkeeper\.db[^\n]*\.\n$/);
    return 'refused';
  }
  await server.kill();
  expect(await journalAfter(server.data, 0), told).toEqual(acknowledged);
  return 'served';
}

async function damageACopy({ server, random }: Stage, damage: Damage, acknowledged: unknown): Promise<Fate> {
  const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-damaged-'));
  try {
    cpSync(server.data, join(folder, 'data'), { recursive: true });
    const told = `${damage.name}: ${damage(join(folder, 'data'), random)}`;
    const seen = await fate(folder, acknowledged, told);
    if (HOPELESS.has(damage)) expect(seen, told).toBe('refused');
    return seen;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function makeReadOnly(stage: Stage, acknowledged: unknown): Promise<Fate> {
  if (whyNoDisk() !== undefined) return await damageACopy(stage, readOnly, acknowledged);
  using disk = new Disk(32 * 2 ** 20);
  cpSync(stage.server.data, join(disk.folder, 'data'), { recursive: true });
  disk.isReadOnly = true;
  expect(await fate(disk.folder, acknowledged, 'a disk that is read-only')).toBe('refused');
  return 'refused';
}

describe('damaged data', () => {
  it(
    'truncated, with flipped bytes, removed, read-only, of a newer version: one sentence and exit 1, or all that was acknowledged',
    async () => {
      const fates: Record<Fate, number> = { refused: 0, served: 0 };
      const fault = async (stage: Stage): Promise<number> => {
        for (let round = 0; round < ROUNDS; round += 1) {
          await stage.traffic.grants(stage.random.integer(20, 60));
          await stage.crash(async () => {
            const acknowledged = await journalAfter(stage.server.data, 0);
            fates[await makeReadOnly(stage, acknowledged)] += 1;
            for (const damage of DAMAGES) fates[await damageACopy(stage, damage, acknowledged)] += 1;
          });
        }
        return ROUNDS * (DAMAGES.length + 1);
      };
      const outcome = await run(
        { load: { ...LOAD, onLost: 'continue' }, processes: 2, fault },
        seeded('damaged-data.test.ts'),
      );
      console.log(`${fates.refused} refused, ${fates.served} served with all that was acknowledged`);
      report('damaged data', outcome);
    },
    TIMEOUT_MS,
  );
});
