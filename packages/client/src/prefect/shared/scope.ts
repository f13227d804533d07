/** Slots while they are held. They are given back once, when the scope ends, however it ends. */
export abstract class HeldScope implements AsyncDisposable {
  #exited: Promise<void> | undefined;

  /** Gives the slots back. Called once. */
  protected abstract release(): Promise<void>;

  /** What is warned of when the slots could not be given back, and the body had failed before. */
  protected abstract get releaseFailed(): string;

  get hasExited(): boolean {
    return this.#exited !== undefined;
  }

  /** Gives the slots back, once however often it is called. */
  exit(): Promise<void> {
    this.#exited ??= this.release();
    return this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.exit();
  }

  /** Holds the slots while `body` runs. Settles as `body` does, after the release; a failed release rejects, too. */
  protected async holdDuring<T>(body: () => T | PromiseLike<T>): Promise<T> {
    let value: T;
    try {
      value = await body();
    } catch (error) {
      await this.exit().catch((failure: unknown) => console.warn(this.releaseFailed, failure));
      throw error;
    }
    await this.exit();
    return value;
  }
}
