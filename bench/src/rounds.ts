import { fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contender } from './contender.ts';
import type { HandOverResult, Order, PairsResult } from './load.ts';
import type { ServerProcess } from './server-process.ts';

export const CALLERS = [1, 64, 1024] as const;

export interface Size {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly handOvers: number;
}

/** A result of each round, in their order. */
export interface Rows {
  readonly contender: Contender;
  readonly pairs: ReadonlyMap<number, PairsResult[]>;
  readonly handOver: HandOverResult[];
}

const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url));
const LOAD_GRACE_MS = 60_000;

/**
 * Measures the contenders in turn, round after round, so that each figure of one has a neighbour in time of each other.
 * All servers run from the start to the end; those that are not asked idle.
 */
export async function runRounds(
  contenders: readonly Contender[],
  size: Size,
  folder: string,
  progress: (text: string) => void,
): Promise<Rows[]> {
  const servers = new Map<Contender, ServerProcess>();
  const rows = contenders.map(
    (contender): Rows => ({ contender, pairs: new Map(CALLERS.map((callers) => [callers, []])), handOver: [] }),
  );
  try {
    for (const contender of contenders) {
      const data = join(folder, contender.name);
      mkdirSync(data);
      servers.set(contender, await contender.serve(data));
    }
    for (let round = 1; round <= size.rounds; round++) {
      progress(`round ${round} of ${size.rounds}`);
      await runRound(rows, servers, size);
    }
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()));
  }
  return rows;
}

async function runRound(
  rows: readonly Rows[],
  servers: ReadonlyMap<Contender, ServerProcess>,
  { warmUpMs, durationMs, handOvers }: Size,
): Promise<void> {
  const target = (contender: Contender) => {
    const { pid, url } = servers.get(contender)!;
    return { contender: contender.name, server: { pid, url } };
  };
  for (const callers of CALLERS) {
    for (const { contender, pairs } of rows) {
      const order: Order = { ...target(contender), measure: 'pairs', callers, warmUpMs, durationMs };
      pairs.get(callers)!.push((await runLoad(order, warmUpMs + durationMs)) as PairsResult);
    }
  }
  for (const { contender, handOver } of rows) {
    if (!contender.rivals) continue;
    const order: Order = { ...target(contender), measure: 'hand-over', warmUp: handOvers / 10, count: handOvers };
    handOver.push((await runLoad(order, 0)) as HandOverResult);
  }
}

/** One load process from its start to its end. */
function runLoad(order: Order, expectedMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = fork(LOAD, [JSON.stringify(order)], { timeout: expectedMs + LOAD_GRACE_MS, killSignal: 'SIGKILL' });
    let result: unknown;
    child.on('message', (message) => {
      result = message;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else
        reject(
          new Error(
            `The load process ended with ${signal ?? code} and no result; it was to do ${child.spawnargs.at(-1)}`,
          ),
        );
    });
  });
}
