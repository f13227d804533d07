/** Answers the pings of a WebSocket. The other end may send pings and not read, so only one pong is under way at a time. */

interface Ponging {
  readonly readyState: number;
  readonly OPEN: number;
  pong(data: Uint8Array, mask: boolean, written: () => void): void;
}

/** Of the pings that arrive meanwhile only the last is answered, which answers those before it (RFC 6455, 5.5.3). */
export class Pongs {
  readonly #socket: Ponging;
  readonly #mayAnswer: () => Promise<unknown> | undefined;
  #latest: Uint8Array | undefined;
  #isUnderWay = false;

  /** @param mayAnswer called for each pong, which waits for its promise: the pong confirms something to the other end */
  constructor(socket: Ponging, mayAnswer: () => Promise<unknown> | undefined = () => undefined) {
    this.#socket = socket;
    this.#mayAnswer = mayAnswer;
  }

  answer(ping: Uint8Array): void {
    this.#latest = ping;
    if (!this.#isUnderWay) void this.#send();
  }

  async #send(): Promise<void> {
    const socket = this.#socket;
    this.#isUnderWay = true;
    while (this.#latest && socket.readyState === socket.OPEN) {
      const ping = this.#latest;
      this.#latest = undefined;
      await this.#mayAnswer();
      if (socket.readyState !== socket.OPEN) break;
      await new Promise<void>((written) => socket.pong(ping, false, () => written()));
    }
    this.#isUnderWay = false;
  }
}
