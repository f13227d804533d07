/**
 * Slots over our own protocol: a Slotkeeper server, or the engine in this process.
 *
 * A session keeps all its leases by one heartbeat. The slots of a process that died are free after its time to live of 15
 * seconds, however long the lease was to last. Nobody is refused and told to come back: a call waits in the wait queue.
 * The server's journal records who held what and when, so no events are sent.
 */
import type { Keeper } from '../../keeper.ts';
import type { Lease } from '../../lease.ts';
import { type Deadline, unlessAborted } from '../shared/deadline.ts';
import { acquireLease, inTime } from '../shared/keeper-lease.ts';
import type { Hold, LeaseRequest, SlotRequest, SlotService } from './slot-service.ts';

/** How long a retry waits: what a Prefect server says of a limit without an average yet. */
const RETRY_SECONDS = 2;

export class KeeperService implements SlotService {
  readonly #keeper: Keeper;
  readonly #held = new Map<string, Lease>();

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  async acquire(request: LeaseRequest, deadline: Deadline): Promise<Hold | undefined> {
    const { names, slots, maxRetries = Number.POSITIVE_INFINITY, holder, stopsWhenUnsure } = request;
    const terms = { slots, holder, onLost: stopsWhenUnsure ? 'abort' : 'continue' } as const;
    const lease = await acquireLease(this.#keeper, names, terms, deadline, maxRetries * RETRY_SECONDS);
    if (lease.limits.length === 0) {
      await lease.release();
      return undefined;
    }
    this.#held.set(lease.id, lease);
    return {
      leaseId: lease.id,
      lost: lease.signal,
      release: async (signal) => {
        signal?.throwIfAborted();
        await unlessAborted(this.release(lease.id), signal);
      },
    };
  }

  async spend({ names, slots }: SlotRequest, deadline: Deadline): Promise<boolean> {
    const { secondsLeft: timeoutSeconds, callersSignal: signal } = deadline;
    const taken = await inTime(deadline, () =>
      this.#keeper.rateLimit(names, { slots, timeoutSeconds, signal, onMissing: 'allow' }),
    );
    return taken.limits.length > 0;
  }

  async release(leaseId: string): Promise<void> {
    await this.#held.get(leaseId)?.release();
    this.#held.delete(leaseId);
  }

  close(): Promise<void> {
    return this.#keeper.close();
  }
}
