/**
 * Slots over Prefect's REST API, version 2.
 *
 * An increment whose answer is lost is repeated, as Prefect's client does. The first one may have taken a lease whose id nobody
 * knows. Nobody renews that lease, so it ends when its time is over.
 */
import {
  type Answer,
  type Change,
  type LeaseGrant,
  PrefectApiError,
  readLeaseGrant,
  readTakenLimits,
  type TakenLimit,
} from '@slotkeeper/protocol/prefect';
import { Keepalive } from '../../keepalive.ts';
import { realClock } from '../../real-clock.ts';
import { PrefectServer, releasing } from '../rest/prefect-server.ts';
import type { Deadline } from '../shared/deadline.ts';
import { LeaseRenewal } from './lease-renewal.ts';
import type { Hold, LeaseRequest, SlotRequest, SlotService } from './slot-service.ts';

const API = '/v2/concurrency_limits';

export class PrefectService implements SlotService {
  readonly #server: PrefectServer;

  constructor(url: string) {
    this.#server = new PrefectServer(url);
  }

  async acquire(request: LeaseRequest, deadline: Deadline): Promise<Hold | undefined> {
    const increment = incrementWithLease(request);
    const answer = await this.#server.take(increment, deadline, {
      retriesMax: request.maxRetries,
      abandon: (asked) => this.#undo(asked),
    });
    const grant = granted(increment, answer);
    return grant.limits.length === 0 ? undefined : this.#hold(request, grant);
  }

  /** Slots that are taken when nobody waits any more come back by themselves. */
  async spend(request: SlotRequest, deadline: Deadline): Promise<boolean> {
    const increment = incrementOfRates(request);
    const limits = granted(increment, await this.#server.take(increment, deadline));
    this.#reportAcquired(request, limits);
    return limits.length > 0;
  }

  async release(leaseId: string, signal?: AbortSignal): Promise<void> {
    await this.#server.change({ path: `${API}/decrement-with-lease`, body: { lease_id: leaseId } }, 204, { signal });
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  /** Gives back what an increment has taken. */
  async #undo(increment: Promise<Answer<LeaseGrant>>): Promise<void> {
    const answer = await increment.catch(() => undefined);
    const grant = answer?.value;
    if (grant === undefined || grant.limits.length === 0) return;
    await this.release(grant.lease_id).catch((error: unknown) =>
      console.warn(`Lease ${grant.lease_id}, whose increment was given up, holds its slots until it ends`, error),
    );
  }

  #hold(request: LeaseRequest, { lease_id: leaseId, limits }: LeaseGrant): Hold {
    const reportReleased = this.#reportAcquired(request, limits);
    const lost = new AbortController();
    // As with a session, the process lives on while it holds slots.
    const keepalive = new Keepalive();
    keepalive.busy = true;
    const renewal = new LeaseRenewal(
      {
        durationMs: request.leaseDurationSeconds * 1_000,
        renew: (over) => this.#renew(leaseId, request.leaseDurationSeconds, over),
        lost: (cause) => lost.abort(cause),
      },
      realClock,
    );
    return {
      leaseId,
      lost: lost.signal,
      release: (signal) => {
        renewal.stop();
        keepalive.end();
        return releasing(() => this.release(leaseId, signal), signal, reportReleased);
      },
    };
  }

  #renew(leaseId: string, leaseDurationSeconds: number, over: AbortSignal): Promise<void> {
    const body = { lease_duration: leaseDurationSeconds };
    // A renewal under way is not cut off: that would cost its connection.
    return this.#server.change({ path: `${API}/leases/${leaseId}/renew`, body }, 204, { unwanted: over });
  }

  #reportAcquired({ slots }: SlotRequest, limits: readonly TakenLimit[]): () => void {
    return this.#server.reportAcquired('prefect.concurrency-limit', limits, { 'slots-acquired': String(slots) });
  }
}

function incrementWithLease({ names, slots, leaseDurationSeconds, holder }: LeaseRequest): Change<LeaseGrant> {
  const body = { names, slots, mode: 'concurrency', lease_duration: leaseDurationSeconds, holder };
  return { path: `${API}/increment-with-lease`, body, read: readLeaseGrant };
}

function incrementOfRates({ names, slots }: SlotRequest): Change<readonly TakenLimit[]> {
  return { path: `${API}/increment`, body: { names, slots, mode: 'rate_limit' }, read: readTakenLimits };
}

function granted<T>({ path }: Change<T>, answer: Answer<T>): T {
  if (answer.value === undefined) throw new PrefectApiError(path, answer);
  return answer.value;
}
