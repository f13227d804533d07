/** Keeps the process alive while a keeper is busy: sockets and timers of the client alone do not. */

/** So long the event loop has to show that it is empty. */
const EMPTY_WITHIN_MS = 1_000;

export class Keepalive {
  readonly #timer = setInterval(() => {}, 2 ** 31 - 1).unref();
  #isBusy = false;

  set busy(busy: boolean) {
    this.#isBusy = busy;
    if (busy) this.#timer.ref();
    else this.#timer.unref();
  }

  /**
   * Calls back if nothing else keeps the process alive. Lets go of the process for a moment: if Node is about to end it, this
   * was all that kept it, and takes hold of it again.
   */
  ifAlone(alone: () => void): void {
    const emptied = (): void => {
      again();
      alone();
    };
    const again = (): void => {
      process.off('beforeExit', emptied);
      clearTimeout(timer);
      this.busy = this.#isBusy;
    };
    process.on('beforeExit', emptied);
    this.#timer.unref();
    const timer = setTimeout(again, EMPTY_WITHIN_MS).unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
