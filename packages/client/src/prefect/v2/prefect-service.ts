/**
 * Slots by Prefect's REST API, version 2.
 *
 * An increment whose answer is lost is asked for again, as by Prefect's client. What the first one may have taken cannot
 * be told from what others hold: nobody renews it, so that it ends with its lease.
 */
import { Keepalive } from '../../keepalive.ts';
import { realClock } from '../../real-clock.ts';
import { EventStream } from '../rest/event-stream.ts';
import { GivenUp } from '../rest/given-up.ts';
import { type LimitEvent, limitEvent, type TakenLimit } from '../rest/limit-event.ts';
import {
  type Change,
  type ChangeOptions,
  credentialsOfEnvironment,
  jsonOf,
  PrefectApi,
  PrefectApiError,
  type Reply,
} from '../rest/prefect-api.ts';
import { untilUnlocked } from '../rest/until-unlocked.ts';
import type { Patience } from '../shared/patience.ts';
import { LeaseRenewal } from './lease-renewal.ts';
import type { Hold, SlotService, Wanted, WantedLease } from './slot-service.ts';

const API = '/v2/concurrency_limits';

interface Grant {
  readonly leaseId: string;
  readonly limits: readonly TakenLimit[];
}

export class PrefectService implements SlotService {
  readonly #api: PrefectApi;
  readonly #events: EventStream;
  readonly #givenUp = new GivenUp();

  constructor(url: string) {
    const credentials = credentialsOfEnvironment();
    this.#api = new PrefectApi(url, credentials);
    this.#events = new EventStream(url, credentials);
  }

  async acquire(wanted: WantedLease, patience: Patience): Promise<Hold | undefined> {
    const increment = incrementWithLease(wanted);
    const ask = () => {
      const reply = this.#api.change(increment, { unwanted: patience.over });
      return this.#givenUp.orUndo(reply, patience, () => this.#undo(reply));
    };
    const grant = grantOf(taken(increment, await untilUnlocked(ask, patience, wanted.maxRetries)));
    return grant.limits.length === 0 ? undefined : this.#hold(wanted, grant);
  }

  /** What is taken when nobody waits any more comes back by itself. */
  async spend(wanted: Wanted, patience: Patience): Promise<boolean> {
    const { names, slots } = wanted;
    const increment = { path: `${API}/increment`, body: { names, slots, mode: 'rate_limit' } };
    const ask = () => patience.race(this.#api.change(increment, { unwanted: patience.over }));
    const limits = limitsOf(jsonOf(taken(increment, await untilUnlocked(ask, patience))));
    this.#tell('acquired', wanted, limits);
    return limits.length > 0;
  }

  async release(leaseId: string, signal?: AbortSignal): Promise<void> {
    await this.#change({ path: `${API}/decrement-with-lease`, body: { lease_id: leaseId } }, { signal });
  }

  async close(): Promise<void> {
    await this.#givenUp.settled();
    await this.#events.close();
  }

  /** Gives back what an increment has taken. */
  async #undo(increment: Promise<Reply>): Promise<void> {
    const reply = await increment.catch(() => undefined);
    if (reply?.status !== 200) return;
    const { leaseId, limits } = grantOf(reply);
    if (limits.length === 0) return;
    await this.release(leaseId).catch((error: unknown) =>
      console.warn(`Lease ${leaseId}, whose increment was given up, holds its slots until it ends`, error),
    );
  }

  #hold(wanted: WantedLease, { leaseId, limits }: Grant): Hold {
    const acquired = this.#tell('acquired', wanted, limits);
    const tellReleased = () => this.#tell('released', wanted, limits, acquired);
    const lost = new AbortController();
    // As with a session: who holds slots is not done.
    const keepalive = new Keepalive();
    keepalive.busy = true;
    const renewal = new LeaseRenewal(
      {
        durationMs: wanted.leaseDurationSeconds * 1_000,
        renew: (over) => this.#renew(leaseId, wanted.leaseDurationSeconds, over),
        lost: (cause) => lost.abort(cause),
      },
      realClock,
    );
    return {
      leaseId,
      lost: lost.signal,
      release: async (signal) => {
        renewal.stop();
        keepalive.end();
        try {
          await this.release(leaseId, signal);
        } catch (error) {
          // Once cancelled, the context's exit gives them back; as in Prefect the event is told now.
          if (signal?.aborted) tellReleased();
          throw error;
        }
        tellReleased();
      },
    };
  }

  #renew(leaseId: string, leaseDurationSeconds: number, over: AbortSignal): Promise<void> {
    const body = { lease_duration: leaseDurationSeconds };
    // A renewal under way is not cut off, which would cost its connection.
    return this.#change({ path: `${API}/leases/${leaseId}/renew`, body }, { unwanted: over });
  }

  async #change(change: Change, options: ChangeOptions): Promise<void> {
    const reply = await this.#api.change(change, options);
    if (reply.status >= 300) throw new PrefectApiError(change, reply);
  }

  #tell(
    phase: 'acquired' | 'released',
    { slots }: Wanted,
    limits: readonly TakenLimit[],
    before: readonly LimitEvent[] = [],
  ): readonly LimitEvent[] {
    const kind = 'prefect.concurrency-limit';
    const about = { 'slots-acquired': String(slots) };
    return limits.map((limit, index) =>
      this.#events.send(limitEvent({ kind, phase, limit, limits, about, before: before[index] })),
    );
  }
}

function incrementWithLease({ names, slots, leaseDurationSeconds, holder }: WantedLease): Change {
  const body = { names, slots, mode: 'concurrency', lease_duration: leaseDurationSeconds, holder };
  return { path: `${API}/increment-with-lease`, body };
}

function taken(increment: Change, reply: Reply): Reply {
  if (reply.status !== 200) throw new PrefectApiError(increment, reply);
  return reply;
}

function grantOf(reply: Reply): Grant {
  const { lease_id, limits } = (jsonOf(reply) ?? {}) as { lease_id?: unknown; limits?: unknown };
  return { leaseId: String(lease_id), limits: limitsOf(limits) };
}

function limitsOf(limits: unknown): readonly TakenLimit[] {
  return Array.isArray(limits) ? limits : [];
}
