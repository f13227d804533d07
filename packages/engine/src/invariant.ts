/**
 * Thrown when the engine finds that something can no longer be true that must always be true. It is a bug, never a
 * refusal: the step is not to be made durable, and the replica starts again from its journal.
 */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}
