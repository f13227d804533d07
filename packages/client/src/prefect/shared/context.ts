/** A context that a body runs in. Slots that are still to be given back when it exits are given back then. */
import { AsyncLocalStorage } from 'node:async_hooks';

interface Entered {
  readonly context: CleanupContext;
  readonly outer: Entered | undefined;
}

const innermost = new AsyncLocalStorage<Entered>();

export abstract class CleanupContext {
  #state: 'new' | 'open' | 'exited' = 'new';

  /** Gives back what is left, and lets no failure stop it. Called once, as the context exits. */
  protected abstract cleanUp(): Promise<void>;

  /** Runs `body` in a context of its own. */
  static run<C extends CleanupContext, T>(this: new () => C, body: (context: C) => T | PromiseLike<T>): Promise<T> {
    return new this().run(body);
  }

  /** The innermost context around the caller that has not exited; undefined if there is none. */
  static current<C extends CleanupContext>(this: new () => C): C | undefined {
    let entered = innermost.getStore();
    // biome-ignore lint/complexity/noThisInStatic: `this` is the subclass that the caller named.
    while (entered !== undefined && !(entered.context instanceof this && entered.context.isOpen))
      entered = entered.outer;
    return entered?.context as C | undefined;
  }

  /**
   * Runs `body` in this context, then exits it, which gives back what is left. A failure to do so is warned of and does
   * not stop the others.
   *
   * @returns what `body` resolves to, or rejects with what it throws, after the exit
   */
  async run<T>(body: (context: this) => T | PromiseLike<T>): Promise<T> {
    if (this.#state !== 'new') throw new Error('A ConcurrencyContext is entered once only; make a new one.');
    this.#state = 'open';
    try {
      return await innermost.run({ context: this, outer: innermost.getStore() }, async () => body(this));
    } finally {
      this.#state = 'exited';
      await this.cleanUp();
    }
  }

  /** @internal Whether its exit is still to come. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }
}
