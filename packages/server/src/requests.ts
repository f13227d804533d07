/** An acquire as it comes over the wire, with what only the server can add. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Place } from '@slotkeeper/engine';
import type { WireAcquire } from '@slotkeeper/protocol';

/** `place`: the one that it may claim. */
export function acquireRequest(wire: WireAcquire, place: Place | null): AcquireRequest {
  const { leaseId: lease, amounts, timeoutMs, priority, holder, onMissing, ratesOnly, refunds } = wire;
  const defaults =
    typeof onMissing === 'object' ? { patch: onMissing, ids: amounts.map(() => randomUUID()) } : onMissing;
  return {
    leaseId: lease,
    amounts,
    timeoutMs,
    priority,
    holder,
    onMissing: defaults,
    skipInactive: false,
    ratesOnly,
    refunds,
    place,
  };
}
