/** What only the server can add to an acquire. */
import { randomUUID } from 'node:crypto';
import type { AcquireRequest, Place } from '@slotkeeper/engine';

/** `place`: the one that it may claim. */
export function acquireRequest(request: AcquireRequest, place: Place | null): AcquireRequest {
  const { amounts, onMissing } = request;
  return {
    ...request,
    place,
    skipInactive: false,
    limitIds: typeof onMissing === 'object' ? amounts.map(() => randomUUID()) : [],
  };
}
