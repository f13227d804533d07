/**
 * Thrown when the engine finds that an invariant is broken. It is a bug, never a refusal: do not make the step durable; the
 * replica starts again from its journal.
 */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}
