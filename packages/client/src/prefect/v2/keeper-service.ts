/**
 * Slots by our own protocol: a Slotkeeper server, or the engine in this process.
 *
 * A session keeps its leases by one heartbeat, so that slots of a process that has died are free after its time to live of
 * 15 seconds, however long the lease was to last. Nobody is refused and told to come back: who waits stands in line.
 */
import { SlotkeeperError } from '../../errors.ts';
import type { Keeper } from '../../keeper.ts';
import type { Lease } from '../../lease.ts';
import { type Patience, unlessAborted } from '../shared/patience.ts';
import type { Hold, SlotService, Wanted, WantedLease } from './slot-service.ts';

/** What a retry stands for in line: a Prefect server tells to wait so long for a limit of which it has no average yet. */
const RETRY_SECONDS = 2;

/** The server's journal tells who held what and when, so no events are sent. */
export class KeeperService implements SlotService {
  readonly #keeper: Keeper;
  readonly #held = new Map<string, Lease>();

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  async acquire(wanted: WantedLease, patience: Patience): Promise<Hold | undefined> {
    const lease = await this.#lease(wanted, patience);
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

  async spend({ names, slots }: Wanted, patience: Patience): Promise<boolean> {
    const taken = await inTime(patience, () =>
      this.#keeper.rateLimit(names, {
        slots,
        timeoutSeconds: patience.secondsLeft,
        signal: patience.callersSignal,
        onMissing: 'allow',
      }),
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

  async #lease({ names, slots, maxRetries, holder, stopsWhenUnsure }: WantedLease, patience: Patience): Promise<Lease> {
    const secondsLeft = patience.secondsLeft ?? Number.POSITIVE_INFINITY;
    const retrySeconds = (maxRetries ?? Number.POSITIVE_INFINITY) * RETRY_SECONDS;
    const seconds = Math.min(secondsLeft, retrySeconds);
    return inTime(retrySeconds < secondsLeft ? undefined : patience, () =>
      this.#keeper.acquire(names, {
        slots,
        timeoutSeconds: Number.isFinite(seconds) ? seconds : undefined,
        signal: patience.callersSignal,
        holder,
        onMissing: 'allow',
        // What Prefect's leases take of a rate is given back at their end.
        refunds: true,
        onLost: stopsWhenUnsure ? 'abort' : 'continue',
      }),
    );
  }
}

/** Settles as `ask` does; that the patience is over is told in its own words. */
async function inTime<T>(patience: Patience | undefined, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (patience === undefined || !SlotkeeperError.is(error, 'ACQUIRE_TIMEOUT')) throw error;
    throw patience.timeoutError({ cause: error });
  }
}
