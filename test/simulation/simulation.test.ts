/** Plans that once failed, and some seeds that nobody has tried. The long runs: docs/reliability.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { draw, type Plan } from './plan.ts';
import { Simulation } from './simulation.ts';

const regressions = join(import.meta.dirname, 'regressions');
const NEW_SEEDS = 10;
/** Of each new seed, so that all take about half a minute. */
const HOURS = 0.1;

describe('the simulation', () => {
  for (const file of readdirSync(regressions).filter((name) => name.endsWith('.json'))) {
    const { bug, plan } = JSON.parse(readFileSync(join(regressions, file), 'utf8')) as { bug: string; plan: Plan };
    it(`does not show again: ${bug}`, async () => {
      const { violations } = await new Simulation(plan).run();
      expect(violations, `npm run simulate -- --plan test/simulation/regressions/${file}`).toEqual([]);
    });
  }

  const random = new Random();
  for (let i = 0; i < NEW_SEEDS; i += 1) {
    const seed = Math.floor(random.next() * 2 ** 32);
    it(`finds nothing with seed ${seed}`, async () => {
      const { violations, grants } = await new Simulation(draw(seed, HOURS)).run();
      expect(violations, `npm run simulate -- --seed ${seed} --hours ${HOURS}`).toEqual([]);
      expect(grants).toBeGreaterThan(0);
    });
  }

  it('is the same each time that a seed is run', async () => {
    const run = () => new Simulation(draw(7, 0.01), { keepsHistory: true }).run();
    const { history } = await run();
    expect((await run()).history).toEqual(history);
    expect(history.length).toBeGreaterThan(100);
  });
});
