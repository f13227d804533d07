/** Adds the fields to an acquire that only the server may set. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Place } from '@slotkeeper/engine';

/** `place`: the place that the acquire may claim. */
export function acquireRequest(request: AcquireRequest, place: Place | null): AcquireRequest {
  const { amounts, onMissing } = request;
  return {
    ...request,
    place,
    skipInactive: false,
    limitIds: typeof onMissing === 'object' ? amounts.map(() => randomUUID()) : [],
  };
}
