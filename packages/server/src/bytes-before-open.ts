/**
 * What connections of the session protocol may send before they are open.
 *
 *   greeting ── hello is accepted ──▶ listing ── ready ──▶ open
 *
 * A client sends its hello as a frame of its own, so a connection that greets has 4 KiB. A client of 0.1.0 sends hello and all
 * that it holds in one frame: what connections send beyond their 4 KiB counts against a bound for all of them together, and
 * the one that exceeds it is turned away and comes back. So those who fill that keep nobody out who sends the hello alone.
 * What those send who have shown their key and list what they hold has a bound of its own.
 */
import type { Duplex } from 'node:stream';

const FREE_BYTES = 4_096;
const TOGETHER_MAX = { greeting: 16 * 2 ** 20, listing: 256 * 2 ** 20 } as const;

export type Stage = 'greeting' | 'listing' | 'open';

export class BytesBeforeOpen {
  readonly #together = { greeting: 0, listing: 0 };

  /**
   * Counts what comes over `socket`. Returns what is to be called as its connection enters a stage, at its end `open`; after
   * that nothing is counted. `turnAway` is called when it is too much.
   */
  watch(socket: Duplex, turnAway: () => void): (stage: Stage) => void {
    let stage: Stage = 'greeting';
    let received = 0;
    let counted = 0;
    const count = (data: Buffer): void => {
      if (stage === 'open') return;
      received += data.length;
      const excess = Math.max(0, received - (stage === 'greeting' ? FREE_BYTES : 0));
      this.#together[stage] += excess - counted;
      counted = excess;
      if (this.#together[stage] > TOGETHER_MAX[stage]) turnAway();
    };
    socket.prependListener('data', count);
    return (next) => {
      if (stage === 'open') return;
      this.#together[stage] -= counted;
      stage = next;
      received = 0;
      counted = 0;
      if (next === 'open') socket.removeListener('data', count);
    };
  }
}
