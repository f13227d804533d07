/** How a command that was submitted to a replica ends. */
import type { Refusal } from '@slotkeeper/engine';

/**
 * - `durable`: it is in the journal, and no failure can undo it. With a refusal it changed nothing, and the state that it was
 *   judged by is durable.
 * - `lost`: the replica failed or stopped first. The journal may have it or not; ask again.
 */
export type Outcome =
  | { readonly is: 'durable'; readonly refusal: Refusal | undefined }
  | { readonly is: 'lost'; readonly reason: string };

/** Each callback that was given is called exactly once. */
export type Settled = (outcome: Outcome) => void;

/** One object for all: most commands end so. */
export const DURABLE: Outcome = { is: 'durable', refusal: undefined };

/** The outcome of a refused command: `refusal`, unless it is lost. */
export function refusedIfDurable(outcome: Outcome, refusal: Refusal): Outcome {
  return outcome.is === 'durable' ? { is: 'durable', refusal } : outcome;
}
