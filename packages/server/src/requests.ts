/** An acquire as it comes over the wire, with what only the server can add. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Place } from '@slotkeeper/engine';
import type { WireAcquire } from '@slotkeeper/protocol';

/** `place`: the one that it may claim. */
export function acquireRequest(wire: WireAcquire, place: Place | null): AcquireRequest {
  const { leaseId, amounts, timeoutMs, priority, holder, onMissing, ratesOnly, refunds } = wire;
  return {
    leaseId,
    amounts,
    timeoutMs,
    priority,
    holder,
    onMissing,
    place,
    ratesOnly,
    refunds,
    skipInactive: false,
    limitIds: typeof onMissing === 'object' ? amounts.map(() => randomUUID()) : [],
  };
}
