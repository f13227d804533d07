/**
 * An experiment is traffic × fault × check. The traffic (traffic.ts) knows of no faults, the faults of no check, and the
 * check (auditor.ts) only of what clients saw and what the journal holds.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteJournal, type StoredFact } from '@slotkeeper/journal';
import { connect } from 'slotkeeper';
import { expect } from 'vitest';
import { realClock } from '../../packages/server/src/clock.ts';
import { eventually } from '../eventually.ts';
import { Random } from '../random.ts';
import { type ServerPlace, ServerProcess } from '../server-process.ts';
import { audit, type Evidence, type Verdict } from './auditor.ts';
import type { Ask, Load } from './client.ts';
import { type Amounts, nowMs, type Observation } from './observation.ts';
import { Traffic } from './traffic.ts';

/** The long run: CHAOS=long. */
export const isLong = process.env.CHAOS === 'long';
/** Of a test: not a measure, but an end to one that has failed. */
export const TIMEOUT_MS = isLong ? 3_600_000 : 360_000;
/** Once the faults are over everybody is served within seconds. After so long somebody never will be; the server then says who waits for whom. */
const SERVED_WITHIN_MS = 180_000;

export const SLOTS: Amounts = { one: 1, three: 3, ten: 10, many: 100 };
/** Short holds of what others wait for, and some that outlast most faults. */
export const LOAD: Load = {
  asks: [
    ...[{ one: 1 }, { three: 1 }, { three: 2, ten: 1 }, { ten: 4 }, { one: 1, ten: 2 }].map(held([0, 20])),
    held([0, 4_000])({ many: 1 }),
  ],
  sessions: 1,
  callers: 12,
  ttlSeconds: 30,
  onLost: 'abort',
  impatient: 0,
};

/** Wishes for amounts, to be held so long. */
export function held(holdMs: Ask['holdMs']): (amounts: Amounts) => Ask {
  return (amounts) => ({ amounts, holdMs });
}

/** The seed of a test, said together with the command that shows it again. */
export function seeded(file: string): Random {
  const random = new Random();
  const long = isLong ? 'CHAOS=long ' : '';
  console.log(`seed ${random.seed}: ${long}SEED=${random.seed} npx vitest run test/chaos/${file}`);
  return random;
}

/** What the faults can get at. */
export interface Stage {
  readonly server: ServerProcess;
  readonly traffic: Traffic;
  readonly random: Random;
  /** Kills the server with -9, and starts it again, after `whileDown`. */
  crash(whileDown?: () => Promise<void>): Promise<void>;
}

export interface Experiment {
  readonly slots?: Amounts;
  readonly load: Load;
  readonly processes: number;
  readonly place?: ServerPlace;
  /** Puts something between clients and server, and returns its address. */
  readonly between?: (serverUrl: string) => Promise<string>;
  /** Does its worst, and resolves to how often once that is over. */
  readonly fault: (stage: Stage) => Promise<number>;
}

export interface Outcome extends Verdict {
  readonly faults: number;
  readonly clients: ReadonlyMap<string, readonly Observation[]>;
  readonly facts: number;
}

/** Runs one experiment, and asserts the verdict. The caller may look at the rest. */
export async function run(
  { slots = SLOTS, load, processes, place, ...experiment }: Experiment,
  random: Random,
): Promise<Outcome> {
  await using server = new ServerProcess(place);
  await server.start();
  await createLimits(server.url, slots);
  const url = (await experiment.between?.(server.url)) ?? server.url;
  await using traffic = new Traffic(url, load, random);
  await traffic.start(processes);
  const restarts: Evidence['restarts'][number][] = [];
  const facts: StoredFact[] = [];
  const crash: Stage['crash'] = async (whileDown) => {
    await server.kill();
    const { length } = facts;
    facts.push(...(await journalAfter(server.data, length)));
    restarts.push({ atMs: nowMs(), position: facts.length });
    await whileDown?.();
    await server.start();
  };
  const faults = await experiment.fault({ server, traffic, random, crash });
  const allServed = await traffic.finish(SERVED_WITHIN_MS);
  if (allServed) await everythingCanBeHad(server.url, slots, load.ttlSeconds);
  else console.log('Not all were served in time. The server says:', await whoIsAbout(server.url));
  await server.stop();

  const stored = await journalAfter(server.data, 0);
  expect(stored.slice(0, facts.length), 'what a restart has found stays as it was').toEqual(facts);
  const clients = traffic.observations;
  const journal = stored.map(({ fact }) => fact);
  const verdict = audit({ slots, ttlMs: load.ttlSeconds * 1_000, clients, journal, restarts });
  const { lost, above, broken } = verdict;
  expect({ lost: lost.slice(0, 9), above: above.slice(0, 9), broken: broken.slice(0, 9) }).toEqual({
    lost: [],
    above: [],
    broken: [],
  });
  expect(allServed, 'everybody was served and went').toBe(true);
  return { ...verdict, faults, clients, facts: journal.length };
}

/** A line of the table in docs/reliability.md. */
export function report(name: string, ...outcomes: readonly Outcome[]): void {
  const sum = (figure: (outcome: Outcome) => number): number => outcomes.reduce((total, one) => total + figure(one), 0);
  const figures = [
    sum(({ operations }) => operations),
    sum(({ faults }) => faults),
    sum(({ lost }) => lost.length),
    sum(({ above }) => above.length),
  ];
  console.log(`| ${name} | ${figures.map((figure) => figure.toLocaleString('en')).join(' | ')} |`);
}

async function createLimits(url: string, slots: Amounts): Promise<void> {
  await using keeper = await connect(url);
  for (const [name, count] of Object.entries(slots)) await keeper.limits.ensure(name, { slots: count });
}

/** Nothing is held without a holder: all slots of each limit go to one who asks. */
async function everythingCanBeHad(url: string, slots: Amounts, ttlSeconds: number): Promise<void> {
  await using keeper = await connect(url);
  const all = await keeper.acquire(slots, { timeoutSeconds: 2 * ttlSeconds + 20 });
  await all.release();
  // A waiter that was killed keeps its place for its time to live.
  await eventually(async () => {
    for await (const { name, taken, waiters } of keeper.limits.list())
      expect({ name, taken, waiters }).toEqual({ name, taken: 0, waiters: 0 });
  });
}

/** For the person who looks for the cause. */
async function whoIsAbout(url: string): Promise<string> {
  await using keeper = await connect(url);
  return JSON.stringify({ holders: await keeper.holders(), waiters: (await keeper.waiters()).slice(0, 9) }, null, 1);
}

/** Read from a copy, so that the next server finds everything as the last one left it. */
export async function journalAfter(data: string, after: number): Promise<StoredFact[]> {
  const copy = mkdtempSync(join(tmpdir(), 'slotkeeper-copy-'));
  try {
    cpSync(data, copy, { recursive: true });
    const journal = new SqliteJournal({ folder: copy }, realClock);
    await journal.follow();
    try {
      const facts: StoredFact[] = [];
      for (
        let more = await journal.read(after, 10_000);
        more.length > 0;
        more = await journal.read(after + facts.length, 10_000)
      )
        facts.push(...more);
      return facts;
    } finally {
      await journal.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
