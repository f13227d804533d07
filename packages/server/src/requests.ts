/** An acquire as it comes over the wire, with what only the server can add. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest } from '@slotkeeper/engine';
import type { WireAcquire } from '@slotkeeper/protocol';

export function acquireRequest(wire: WireAcquire): AcquireRequest {
  const { onMissing } = wire;
  const defaults =
    typeof onMissing === 'object' ? { patch: onMissing, ids: wire.amounts.map(() => randomUUID()) } : onMissing;
  return { ...wire, onMissing: defaults, skipInactive: false };
}
