/** Contexts that bodies run in, one inside the other. Each exits as its body ends. */
import { AsyncLocalStorage } from 'node:async_hooks';

interface Entered<C> {
  readonly context: C;
  readonly outer: Entered<C> | undefined;
  hasExited: boolean;
}

export class ContextStack<C extends object> {
  readonly #storage = new AsyncLocalStorage<Entered<C>>();
  readonly #entered = new WeakSet<C>();

  /** The innermost context around the caller that has not exited; undefined if there is none. */
  current(): C | undefined {
    let entered = this.#storage.getStore();
    while (entered?.hasExited) entered = entered.outer;
    return entered?.context;
  }

  /**
   * Runs `body` in the context, then `exit`, which must not reject.
   *
   * @returns what `body` resolves to, or rejects with what it throws, after the exit
   */
  async run<T>(context: C, body: () => T | PromiseLike<T>, exit: () => Promise<void>): Promise<T> {
    if (this.#entered.has(context)) throw new Error('A ConcurrencyContext is entered once only; make a new one.');
    this.#entered.add(context);
    const entered = { context, outer: this.#storage.getStore(), hasExited: false };
    try {
      return await this.#storage.run(entered, body);
    } finally {
      entered.hasExited = true;
      await exit();
    }
  }
}
