/** Slots by our own protocol: a Slotkeeper server, or the engine in this process. The tag T is the limit named `tag:T`. */
import { SlotkeeperError } from '../../errors.ts';
import type { Keeper } from '../../keeper.ts';
import type { Lease } from '../../lease.ts';
import { type Patience, unlessAborted } from '../shared/patience.ts';
import type { Hold, SlotService } from './slot-service.ts';

interface Held {
  readonly lease: Lease;
  readonly names: ReadonlySet<string>;
  readonly taskRunId: string;
}

/** The server's journal tells who held what and when, so no events are sent. */
export class KeeperService implements SlotService {
  readonly #keeper: Keeper;
  readonly #held = new Set<Held>();

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  async acquire(names: readonly string[], taskRunId: string, patience: Patience): Promise<Hold> {
    const held = { lease: await this.#lease(names, taskRunId, patience), names: new Set(names), taskRunId };
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

  async #lease(names: readonly string[], taskRunId: string, patience: Patience): Promise<Lease> {
    const limits = names.map((name) => `tag:${name}`);
    try {
      return await this.#keeper.acquire(limits, {
        timeoutSeconds: patience.secondsLeft,
        signal: patience.callersSignal,
        holder: { type: 'task_run', id: taskRunId },
        onMissing: 'allow',
        // What Prefect's leases take of a rate is given back at their end.
        refunds: true,
        // The seed's bodies have no signal to heed: whoever runs on is to be counted as long as the server allows.
        onLost: 'continue',
      });
    } catch (error) {
      throw SlotkeeperError.is(error, 'ACQUIRE_TIMEOUT') ? patience.timeoutError({ cause: error }) : error;
    }
  }

  async #giveBack(held: Held): Promise<void> {
    await held.lease.release();
    this.#held.delete(held);
  }
}
