/**
 * Slots over our own protocol: a Slotkeeper server, or the engine in this process. The tag T is the limit named `tag:T`.
 * The server's journal records who held what and when, so no events are sent.
 */
import type { Keeper } from '../../keeper.ts';
import type { Lease } from '../../lease.ts';
import { type Deadline, unlessAborted } from '../shared/deadline.ts';
import { acquireLease } from '../shared/keeper-lease.ts';
import type { Hold, SlotService } from './slot-service.ts';

interface HeldLease {
  readonly lease: Lease;
  readonly names: ReadonlySet<string>;
  readonly taskRunId: string;
}

export class KeeperService implements SlotService {
  readonly #keeper: Keeper;
  readonly #held = new Set<HeldLease>();

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  async acquire(names: readonly string[], taskRunId: string, deadline: Deadline): Promise<Hold> {
    const tags = names.map((name) => `tag:${name}`);
    // The seed's bodies have no signal that could end them. They count for as long as the server allows.
    const terms = { holder: { type: 'task_run', id: taskRunId }, onLost: 'continue' } as const;
    const lease = await acquireLease(this.#keeper, tags, terms, deadline);
    const held = { lease, names: new Set(names), taskRunId };
    this.#held.add(held);
    return {
      release: async (_occupancySeconds, signal) => {
        signal?.throwIfAborted();
        await unlessAborted(this.#giveBack(held), signal);
      },
    };
  }

  async release(names: readonly string[], taskRunId: string): Promise<void> {
    const wanted = new Set(names);
    const ofTheCall = [...this.#held].filter(
      (held) =>
        held.taskRunId === taskRunId && held.names.size === wanted.size && names.every((name) => held.names.has(name)),
    );
    await Promise.all(ofTheCall.map((held) => this.#giveBack(held)));
  }

  close(): Promise<void> {
    return this.#keeper.close();
  }

  async #giveBack(held: HeldLease): Promise<void> {
    await held.lease.release();
    this.#held.delete(held);
  }
}
