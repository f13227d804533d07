/** The first connect goes on asking until its time is over. Where nobody listens on this very machine, people are told sooner. */
import { type Clock, isLoopback, type Timer } from '@slotkeeper/protocol';
import { isNobodyThere } from './connect-failure.ts';
import type { Warning } from './keeper.ts';

/** A server that is being started together with its client may take so long. */
const SILENT_MS = 1_000;

export class FirstContact {
  readonly #timer: Timer;
  /** Why the last attempt failed. */
  #reason: string | undefined;

  /** `address`: where the server is looked for, for `timeoutMs`. Warns once, unless it is over before. */
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

  /** There is a server, or no more asking. */
  over(): void {
    this.#timer.cancel();
  }
}
