/** A process that fills one engine, measures each piece of work on it, and reports to its parent. */
import { type Scene, scenes, World } from './scale-scenes.ts';

export interface ScaleOrder {
  readonly items: string;
  readonly count: number;
}

export interface ScaleResult {
  /** Memory of the engine by item; null where there are too few to tell. */
  readonly bytesPerItem: number | null;
  readonly works: readonly { readonly name: string; readonly meanUs: number }[];
}

const RUNS_MAX = 40_000;
const RUNS_MIN = 3;
/** Of one piece of work: of one that is slow there are fewer runs. */
const WORK_MS = 400;
const WARM_UP_MS = 100;
const COUNT_TO_TELL_MEMORY = 1_000;

function memory(): number {
  global.gc!();
  return process.memoryUsage().heapUsed;
}

/** The mean and not the median: a rare cost, such as the rehash of a large map, counts as well. */
function meanUs(run: () => void): number {
  repeat(run, WARM_UP_MS);
  const before = process.threadCpuUsage();
  const runs = repeat(run, WORK_MS);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / runs;
}

function repeat(run: () => void, forMs: number): number {
  const endMs = performance.now() + forMs;
  let runs = 0;
  while (runs < RUNS_MAX && (runs < RUNS_MIN || performance.now() < endMs)) {
    run();
    runs += 1;
  }
  return runs;
}

function measure({ items, count }: ScaleOrder): ScaleResult {
  const scene = scenes.find((each) => each.items === items) as Scene;
  const before = memory();
  const world = new World();
  const works = scene.fill(world, count);
  const bytesPerItem = count < COUNT_TO_TELL_MEMORY ? null : (memory() - before) / count;
  return { bytesPerItem, works: works.map(({ name, run }) => ({ name, meanUs: meanUs(run) })) };
}

process.send!(measure(JSON.parse(process.argv[2]!) as ScaleOrder), () => process.exit(0));
