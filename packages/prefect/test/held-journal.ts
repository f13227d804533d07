/** A journal whose appends are durable when the test says so. */
import { type Journal, MemoryJournal } from '@slotkeeper/journal';

export class HeldJournal extends MemoryJournal {
  readonly #held: (() => void)[] = [];
  #begun = (): void => {};
  /** From now on appends are held. */
  holds = false;

  override async append(...args: Parameters<Journal['append']>): Promise<void> {
    if (this.holds) {
      await new Promise<void>((resolve) => {
        this.#held.push(resolve);
        this.#begun();
      });
    }
    await super.append(...args);
  }

  /** How many appends are under way. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** Resolves when an append is under way. */
  async begun(): Promise<void> {
    if (this.#held.length > 0) return;
    await new Promise<void>((resolve) => {
      this.#begun = resolve;
    });
  }

  /** Makes the oldest of them durable. */
  release(): void {
    const release = this.#held.shift();
    if (!release) throw new Error('no append is under way');
    release();
  }
}
