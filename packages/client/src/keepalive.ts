/** Keeps the process alive while a keeper is busy: sockets and timers of the client alone do not. */
export class Keepalive {
  readonly #timer = setInterval(() => {}, 2 ** 31 - 1).unref();

  set busy(busy: boolean) {
    if (busy) this.#timer.ref();
    else this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
