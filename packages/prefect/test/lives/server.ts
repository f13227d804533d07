/** A server's life, from its start to its kill: what is behind Prefect's API, without HTTP. */
import { SimulatedProcess } from '../../../../test/simulation/host.ts';
import type { Settled } from '../../../server/src/replica/outcome.ts';
import { Replica } from '../../../server/src/replica/replica.ts';
import { HeldIncrements } from '../../src/increments/held-increments.ts';
import type { Outcome } from '../../src/increments/increment.ts';
import { whatToRelease } from '../../src/tag-limits/decrement.ts';
import { FailingJournal } from '../failing-journal.ts';
import { HOLD_MS, type Name, TTL_MS, type World } from './world.ts';

export type Reply = Outcome['is'] | 'done' | 'gone';

export class Server {
  readonly process: SimulatedProcess;
  readonly replica: Replica;
  readonly increments: HeldIncrements;

  static async start(world: World): Promise<Server> {
    const process = new SimulatedProcess(world.time, world.random, { rate: 1, wallOffsetMs: 0 });
    const replica = await Replica.start(() => new FailingJournal(world.store, process), process);
    return new Server(process, replica);
  }

  private constructor(process: SimulatedProcess, replica: Replica) {
    this.process = process;
    this.replica = replica;
    this.increments = new HeldIncrements({ host: replica, clock: process, holdMs: HOLD_MS });
  }

  renew(lease: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    if (!this.#isReady(reply)) return;
    increments.arrivedAs(lease);
    if (replica.engine.state.leases.has(lease))
      replica.submit({ type: 'renew', leaseId: lease, ttlMs: TTL_MS }, ending(reply));
    else replica.confirm(({ is }) => reply(is === 'lost' ? 'unavailable' : 'gone'));
  }

  release(lease: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    if (!this.#isReady(reply)) return;
    increments.arrivedAs(lease);
    const { token } = replica.engine.state.leases.get(lease) ?? {};
    if (token !== undefined) replica.submit({ type: 'release', leaseId: lease, token });
    replica.confirm(ending(reply));
  }

  releaseTags(names: readonly Name[], taskRun: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    if (!this.#isReady(reply)) return;
    const limits = names.map((name) => replica.engine.state.limits.get(name)!);
    for (const release of whatToRelease(replica.engine.state, limits, taskRun)) {
      increments.arrivedAs(release.leaseId);
      replica.submit({ type: 'release', ...release });
    }
    replica.confirm(ending(reply));
  }

  giveBack(names: readonly Name[], slots: number, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    if (!this.#isReady(reply)) return;
    for (const name of names) increments.arrivedOn(replica.engine.state.limits.get(name)!, slots);
    replica.submit({ type: 'untracked.return', amounts: names.map((name) => [name, slots]) }, ({ is }) =>
      reply(is === 'lost' ? 'unavailable' : 'done'),
    );
  }

  /** Answers that the server is not available if it is not. */
  #isReady(reply: (reply: Reply) => void): boolean {
    if (!this.replica.ready) reply('unavailable');
    return this.replica.ready;
  }
}

function ending(reply: (reply: Reply) => void): Settled {
  return (outcome) => {
    if (outcome.is === 'lost') reply('unavailable');
    else reply(outcome.refusal ? 'gone' : 'done');
  };
}
