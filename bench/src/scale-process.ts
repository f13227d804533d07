/** A process that fills one engine, measures each piece of work on it, and reports to its parent. */
import { type Scene, scenes, World } from './scale-scenes.ts';
import { Samples } from './statistics.ts';

export interface ScaleOrder {
  readonly items: string;
  readonly count: number;
}

export interface ScaleResult {
  /** Memory of the engine by item; null where there are too few to tell. */
  readonly bytesPerItem: number | null;
  readonly works: readonly { readonly name: string; readonly medianUs: number }[];
}

const RUNS_MAX = 4_000;
const RUNS_MIN = 5;
/** Of one piece of work: of one that is slow there are fewer runs. */
const WORK_MS = 400;
const COUNT_TO_TELL_MEMORY = 1_000;

function memory(): number {
  global.gc!();
  return process.memoryUsage().heapUsed;
}

function medianUs(run: () => void): number {
  const samples = new Samples(RUNS_MAX);
  const endMs = performance.now() + WORK_MS;
  for (let runs = 0; runs < RUNS_MAX && (runs < RUNS_MIN || performance.now() < endMs); runs += 1) {
    const startMs = performance.now();
    run();
    samples.add(performance.now() - startMs);
  }
  return samples.summary().p50 * 1_000;
}

function measure({ items, count }: ScaleOrder): ScaleResult {
  const scene = scenes.find((each) => each.items === items) as Scene;
  const before = memory();
  const world = new World();
  const works = scene.fill(world, count);
  const bytesPerItem = count < COUNT_TO_TELL_MEMORY ? null : (memory() - before) / count;
  return { bytesPerItem, works: works.map(({ name, run }) => ({ name, medianUs: medianUs(run) })) };
}

process.send!(measure(JSON.parse(process.argv[2]!) as ScaleOrder), () => process.exit(0));
