/** A server's life, from its start to its kill: what is behind Prefect's API, without HTTP. */
import { SimulatedProcess } from '../../../../test/simulation/host.ts';
import { Replica } from '../../../server/src/replica.ts';
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
  /** What waits for durability: when the replica fails it is told that the server is not available. */
  readonly #pending = new Set<(reply: Reply) => void>();

  static async start(world: World): Promise<Server> {
    const process = new SimulatedProcess(world.time, world.random, { rate: 1, wallOffsetMs: 0 });
    const replica = await Replica.start(() => new FailingJournal(world.store, process), process);
    return new Server(process, replica);
  }

  private constructor(process: SimulatedProcess, replica: Replica) {
    this.process = process;
    this.replica = replica;
    this.increments = new HeldIncrements({ host: replica, clock: process, holdMs: HOLD_MS });
    replica.on({
      failed: () => {
        for (const reply of [...this.#pending]) reply('unavailable');
      },
    });
  }

  renew(lease: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      increments.arrivedAs(lease);
      if (!replica.engine.state.leases.has(lease)) replica.tell(() => done('gone'));
      else
        replica.submit({ type: 'renew', leaseId: lease, ttlMs: TTL_MS }, (refusal) =>
          done(refusal === undefined ? 'done' : 'gone'),
        );
    });
  }

  release(lease: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      increments.arrivedAs(lease);
      const { token } = replica.engine.state.leases.get(lease) ?? {};
      if (token !== undefined) replica.submit({ type: 'release', leaseId: lease, token });
      replica.tell(() => done('done'));
    });
  }

  releaseTags(names: readonly Name[], taskRun: string, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      const limits = names.map((name) => replica.engine.state.limits.get(name)!);
      for (const release of whatToRelease(limits, taskRun)) {
        increments.arrivedAs(release.leaseId);
        replica.submit({ type: 'release', ...release });
      }
      replica.tell(() => done('done'));
    });
  }

  giveBack(names: readonly Name[], slots: number, reply: (reply: Reply) => void): void {
    const { replica, increments } = this;
    this.#durably(reply, (done) => {
      for (const name of names) increments.arrivedOn(replica.engine.state.limits.get(name)!, slots);
      replica.submit({ type: 'return', amounts: names.map((name) => [name, slots]) }, () => done('done'));
    });
  }

  #durably(reply: (reply: Reply) => void, act: (done: (reply: Reply) => void) => void): void {
    if (!this.replica.ready) {
      reply('unavailable');
      return;
    }
    const done = (what: Reply): void => {
      if (this.#pending.delete(done)) reply(what);
    };
    this.#pending.add(done);
    act(done);
  }
}
