/**
 * Turns engine times into times of day, as they leave the server. Engine time goes on from the last fact of the journal, so
 * after one start with a fast clock it is ahead of the wall clock. Deadlines need that; people need the time of day.
 * `aheadMs`: how much to subtract. It is nearly always 0, and then nothing is copied.
 */
import type { Explanation, Grant, HolderView, Refusal, WaiterView } from '@slotkeeper/engine';

export function grantAtWall(grant: Grant, aheadMs: number): Grant {
  return aheadMs === 0 ? grant : { ...grant, grantedAtMs: grant.grantedAtMs - aheadMs };
}

export function holderAtWall(view: HolderView, aheadMs: number): HolderView {
  const { sinceMs, expiresAtMs } = view;
  return { ...view, sinceMs: sinceMs - aheadMs, expiresAtMs: expiresAtMs === null ? null : expiresAtMs - aheadMs };
}

/** The place stays engine time: the engine gave it, and will read it again. */
export function waiterAtWall(view: WaiterView, aheadMs: number): WaiterView {
  return { ...view, sinceMs: view.sinceMs - aheadMs };
}

/** The times in the explanation of a timeout: since when others have held. */
export function refusalAtWall(refusal: Refusal, aheadMs: number): Refusal {
  const explanation = refusal.details.explanation as Explanation | undefined;
  if (aheadMs === 0 || explanation === undefined) return refusal;
  const lacking = explanation.lacking.map((lack) => ({
    ...lack,
    heldBy: lack.heldBy.map((held) => ({ ...held, since: held.since - aheadMs })),
  }));
  return { ...refusal, details: { ...refusal.details, explanation: { ...explanation, lacking } } };
}
