/** kill -9 of the server at random moments under load from several processes. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { emptyState, evolve, type State } from '@slotkeeper/engine';
import { SqliteJournal } from '@slotkeeper/journal';
import { connect } from 'slotkeeper';
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { ServerProcess } from '../server-process.ts';
import type { Report } from './load-worker.ts';

const KILLS = Number(process.env.KILLS ?? 100);
const PROCESSES = 3;
const CALLERS = 8;
const SLOTS: Readonly<Record<string, number>> = { one: 1, three: 3, ten: 10 };
const WISHES = [{ one: 1 }, { three: 1 }, { three: 2, ten: 1 }, { ten: 4 }, { one: 1, ten: 2 }];

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** What one process has been told: what it must hold, and what it must not. */
class Worker {
  readonly holds = new Map<string, number>();
  readonly releasing = new Set<string>();
  readonly released = new Set<string>();
  readonly lost: string[] = [];
  grants = 0;
  readonly ready: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #onReport: () => void;
  #syncs = 0;

  constructor(url: string, onReport: () => void) {
    this.#onReport = onReport;
    const worker = join(import.meta.dirname, 'load-worker.ts');
    this.#child = fork(worker, [url, JSON.stringify(WISHES), String(CALLERS)], { stdio: 'inherit' });
    children.add(this.#child);
    this.ready = once(this.#child, 'message');
    this.#child.on('message', (report: Report) => this.#hear(report));
  }

  #hear(report: Report): void {
    if (report.type === 'granted') {
      this.grants += 1;
      this.holds.set(report.lease, report.token);
    } else if (report.type === 'releasing') {
      this.holds.delete(report.lease);
      this.releasing.add(report.lease);
    } else if (report.type === 'released') {
      this.releasing.delete(report.lease);
      this.released.add(report.lease);
    } else if (report.type === 'lost') {
      this.lost.push(report.why);
    }
    this.#onReport();
  }

  /** Everything it was told so far is here, too, afterwards. */
  async sync(): Promise<void> {
    this.#syncs += 1;
    const number = this.#syncs;
    this.#child.send({ type: 'sync', number });
    const { promise, resolve } = Promise.withResolvers<void>();
    const hear = (report: Report): void => {
      if (report.type === 'synced' && report.number === number) resolve();
    };
    this.#child.on('message', hear);
    await promise;
    this.#child.off('message', hear);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.send({ type: 'stop' });
    await exited;
    children.delete(this.#child);
  }
}

/** Reads the journal as it lies there, fact by fact; fails if any of them takes a limit above its slots. */
async function readJournal(folder: string): Promise<State> {
  const journal = new SqliteJournal({ folder });
  const { facts, snapshot } = await journal.open();
  expect(snapshot, 'the whole history is read, from the first fact').toBeUndefined();
  const state = emptyState();
  for await (const { position, fact } of facts) {
    evolve(state, fact);
    expect(state.position).toBe(position);
    for (const limit of state.limits.values()) {
      if (limit.held > limit.settings.slots) expect.fail(`'${limit.name}' is above its slots at position ${position}`);
    }
  }
  await journal.close();
  return state;
}

describe('case 1: the server is killed with -9', () => {
  it(`at ${KILLS} random moments: everything acknowledged is there after each restart, never above a limit`, async () => {
    const random = new Random();
    console.log(`seed ${random.seed}: SEED=${random.seed} npx vitest run test/chaos/kill-server.test.ts`);
    await using server = await ServerProcess.start();
    const keeper = await connect(server.url);
    for (const [name, slots] of Object.entries(SLOTS)) await keeper.limits.ensure(name, { slots });
    await keeper.close();

    let reports = 0;
    let enough = { after: 0, resolve: (): void => {} };
    const workers = Array.from(
      { length: PROCESSES },
      () =>
        new Worker(server.url, () => {
          reports += 1;
          if (reports >= enough.after) enough.resolve();
        }),
    );
    await Promise.all(workers.map(({ ready }) => ready));
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      enough = { after: reports + random.integer(1, 150), resolve };
      await promise;
      await server.kill();
      for (const worker of workers) await worker.sync();
      const acknowledged = workers.map(({ holds, releasing, released }) => ({
        holds: new Map(holds),
        releasing: new Set(releasing),
        released: new Set(released),
      }));
      const state = await readJournal(server.data);
      for (const { holds, released } of acknowledged) {
        for (const [lease, token] of holds)
          expect(state.leases.get(lease)?.token, `lease ${lease}, after kill ${kill}`).toBe(token);
        for (const lease of released)
          expect(state.leases.has(lease), `released ${lease}, after kill ${kill}`).toBe(false);
      }
      for (const limit of state.limits.values()) {
        const sum = [...limit.leases.values()].reduce(
          (total, lease) => total + (lease.amounts.get(limit.name) ?? 0),
          0,
        );
        expect(limit.held).toBe(sum);
      }
      await server.start();
    }
    await Promise.all(workers.map((worker) => worker.stop()));
    expect(workers.flatMap(({ lost }) => lost)).toEqual([]);
    const grants = workers.reduce((total, worker) => total + worker.grants, 0);
    expect(grants).toBeGreaterThan(KILLS);
    await using last = await connect(server.url);
    for await (const limit of last.limits.list()) expect(limit.taken, `'${limit.name}' at the end`).toBe(0);
    console.log(`${KILLS} kills, ${grants} grants, nothing lost`);
  }, 300_000);
});
