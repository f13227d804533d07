/** The first connect tries again until its time is over. If nobody listens on this very machine, it warns sooner. */
import { type Clock, isLoopback, type Timer } from '@slotkeeper/protocol';
import { isNobodyThere } from './connect-failure.ts';
import type { Warning } from './keeper.ts';

/** How long a server may take that is started together with its client. */
const SILENT_MS = 1_000;

export class FirstContact {
  readonly #timer: Timer;
  /** Why the last attempt failed. */
  #reason: string | undefined;

  /** `address`: the server's address, which is tried for `timeoutMs`. Warns once, unless it is over before. */
  constructor(clock: Clock, address: string, timeoutMs: number, warn: (warning: Warning) => void) {
    this.#timer = clock.setTimer(SILENT_MS, () => {
      if (this.#reason === undefined || !isNobodyThere(this.#reason) || !isLoopback(new URL(address).hostname)) return;
      const leftSeconds = Math.round((timeoutMs - SILENT_MS) / 1_000);
      warn({
        code: 'NOT_CONNECTED',
        message: `Nobody listens at ${address} (${this.#reason}). Asking for ${leftSeconds} s more: start a server there (npx @slotkeeper/server serve), or name another (connect(url), SLOTKEEPER_URL).`,
        details: { address, reason: this.#reason, leftSeconds },
      });
    });
  }

  failed(reason: string): void {
    this.#reason = reason;
  }

  /** Call when a server has answered, or the attempts are over. */
  over(): void {
    this.#timer.cancel();
  }
}
