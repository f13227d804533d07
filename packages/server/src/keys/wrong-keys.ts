/**
 * Slows down, counts and logs wrong keys. A refusal is answered after a pause, and only few from one address may be under way,
 * so that an address can try about 16 keys a second. A right key is accepted at once, unless that many wrong ones from the
 * same address are under way. The first wrong key is logged, and then a summary every ten seconds while there are more.
 */
import type { Clock } from '@slotkeeper/protocol';

const REFUSED_AFTER_MS = 500;
const UNDER_WAY_MAX = 8;
const TOLD_EVERY_MS = 10_000;
/** The most addresses that one summary counts separately. */
const ADDRESSES_MAX = 100;
/** How many addresses a summary names. */
const NAMED_MAX = 3;

export class WrongKeys {
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  readonly #underWay = new Map<string, number>();
  /** The wrong keys since the last line in the log. */
  readonly #untold = new Map<string, number>();
  #isQuiet = false;
  #ignored = 0;
  #total = 0;

  constructor(clock: Clock, warn: (message: string) => void) {
    this.#clock = clock;
    this.#warn = warn;
  }

  /** Whether keys from that address are not checked for now. */
  isCrowded(address: string): boolean {
    if ((this.#underWay.get(address) ?? 0) < UNDER_WAY_MAX) return false;
    this.#ignored += 1;
    return true;
  }

  /** Resolves when the refusal may be sent. */
  count(address: string): Promise<void> {
    this.#total += 1;
    this.#underWay.set(address, (this.#underWay.get(address) ?? 0) + 1);
    const counted = this.#untold.has(address) || this.#untold.size < ADDRESSES_MAX ? address : 'others';
    this.#untold.set(counted, (this.#untold.get(counted) ?? 0) + 1);
    if (!this.#isQuiet) this.#tell();
    return new Promise((resolve) => {
      this.#clock.setTimer(REFUSED_AFTER_MS, () => {
        const left = (this.#underWay.get(address) ?? 1) - 1;
        if (left === 0) this.#underWay.delete(address);
        else this.#underWay.set(address, left);
        resolve();
      });
    });
  }

  #tell(): void {
    const most = [...this.#untold].sort(([, a], [, b]) => b - a);
    const named = most.slice(0, NAMED_MAX).map(([address, times]) => `${times} from ${address}`);
    if (most.length > NAMED_MAX) named.push(`more from ${most.length - NAMED_MAX} other addresses`);
    const ignored = this.#ignored > 0 ? ` ${this.#ignored} more were not looked at, since too many came at once.` : '';
    this.#warn(`Wrong keys were shown: ${named.join(', ')}. ${this.#total} since the start.${ignored}`);
    this.#untold.clear();
    this.#ignored = 0;
    this.#isQuiet = true;
    this.#clock.setTimer(TOLD_EVERY_MS, () => {
      this.#isQuiet = false;
      if (this.#untold.size > 0 || this.#ignored > 0) this.#tell();
    });
  }
}
