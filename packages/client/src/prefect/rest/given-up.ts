/** Requests that nobody waits for any more: they go on to their end, so that what they take is known and goes back. */
import type { Patience } from '../shared/patience.ts';

export class GivenUp {
  readonly #undoing = new Set<Promise<void>>();

  /** Settles as `request` does, unless it fails or the patience ends before: then `undo` is left with it. It must not reject. */
  async orUndo<T>(request: Promise<T>, patience: Patience, undo: (request: Promise<T>) => Promise<void>): Promise<T> {
    try {
      return await patience.race(request);
    } catch (error) {
      const undoing = undo(request).finally(() => this.#undoing.delete(undoing));
      this.#undoing.add(undoing);
      throw error;
    }
  }

  /** Resolves when everything is undone. */
  async settled(): Promise<void> {
    await Promise.all(this.#undoing);
  }
}
