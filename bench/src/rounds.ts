import { fork } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contender, ContenderServer } from './contender.ts';
import type { HandOverResult, Order, PairsResult, Span } from './load.ts';
import type { ServerProcess } from './server-process.ts';
import { type Case, type Suite, serversOf } from './suite.ts';

export interface Size {
  readonly rounds: number;
  /** By the number of callers. */
  readonly warmUp: (callers: number) => Span;
  readonly span: (callers: number) => Span;
  readonly handOvers: number;
  /** The cases have rounds of their own: one takes as long as all pairs together. */
  readonly caseRounds: number;
  readonly caseSeconds: number;
}

/** A result of each round, in their order. */
export interface Rows {
  readonly contender: Contender;
  readonly pairs: ReadonlyMap<number, PairsResult[]>;
  readonly handOver: HandOverResult[];
  /** Of each round the figures of the case, in their order. */
  readonly cases: ReadonlyMap<Case, (readonly number[])[]>;
}

/** What takes part of a suite. */
export interface Field {
  readonly suite: Suite;
  readonly contenders: readonly Contender[];
  readonly cases: readonly Case[];
}

type Servers = ReadonlyMap<ContenderServer, ServerProcess>;

const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url));
/** No load takes a tenth of it; one that hangs ends. */
const LOAD_MAX_MS = 300_000;

/**
 * Measures the contenders in turn, round after round, so that each figure of one has a neighbour in time of each other.
 * All servers run from the start to the end; those that are not asked idle.
 */
export async function runRounds(
  { suite, contenders, cases }: Field,
  size: Size,
  folder: string,
  progress: (text: string) => void,
): Promise<Rows[]> {
  const servers = new Map<ContenderServer, ServerProcess>();
  const rows = contenders.map(
    (contender): Rows => ({
      contender,
      pairs: new Map(suite.callers.map((callers) => [callers, []])),
      handOver: [],
      cases: new Map(cases.filter((each) => each.asks(contender)).map((each) => [each, []])),
    }),
  );
  try {
    for (const server of serversOf(contenders)) {
      progress(`${server.name} starts`);
      servers.set(server, await server.serve(newFolder(folder, server.name)));
    }
    for (let round = 1; round <= size.rounds; round++) {
      progress(`round ${round} of ${size.rounds}`);
      await runRound(rows, servers, suite.callers, size);
    }
    if (cases.length > 0) await runCases(rows, servers, size, newFolder(folder, 'cases'), progress);
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()));
  }
  return rows;
}

/** Open to everybody: not every server works for its user. */
function newFolder(parent: string, name: string): string {
  const folder = join(parent, name);
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  return folder;
}

async function runRound(
  rows: readonly Rows[],
  servers: Servers,
  counts: readonly number[],
  { warmUp, span, handOvers }: Size,
): Promise<void> {
  const target = (contender: Contender) => {
    const { pid, url } = servers.get(contender.server)!;
    return { contender: contender.name, version: contender.version, server: { pid, url } };
  };
  for (const callers of counts) {
    for (const { contender, pairs } of rows) {
      const order: Order = {
        ...target(contender),
        measure: 'pairs',
        callers,
        warmUp: warmUp(callers),
        span: span(callers),
      };
      pairs.get(callers)!.push((await runLoad(order)) as PairsResult);
    }
  }
  for (const { contender, handOver } of rows) {
    if (!contender.rivals) continue;
    const order: Order = { ...target(contender), measure: 'hand-over', warmUp: handOvers / 10, count: handOvers };
    handOver.push((await runLoad(order)) as HandOverResult);
  }
}

async function runCases(
  rows: readonly Rows[],
  servers: Servers,
  { caseRounds, caseSeconds }: Size,
  folder: string,
  progress: (text: string) => void,
): Promise<void> {
  const size = { seconds: caseSeconds };
  for (let round = 1; round <= caseRounds; round++) {
    progress(`cases, round ${round} of ${caseRounds}`);
    for (const { contender, cases } of rows) {
      for (const [each, rounds] of cases) {
        const url = `${servers.get(contender.server)!.url}/api`;
        rounds.push(await each.run({ url, api: contender.prefectApi!, folder }, size));
      }
    }
  }
}

/** One load process from its start to its end. */
function runLoad(order: Order): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = fork(LOAD, [JSON.stringify(order)], { timeout: LOAD_MAX_MS, killSignal: 'SIGKILL' });
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
