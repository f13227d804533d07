/** A program that forgets to release a lease never ends: the lease keeps its process alive. After a minute it is told which. */
import type { Clock, Timer } from '@slotkeeper/protocol';
import type { Warning } from './keeper.ts';
import type { HeldLease } from './lease.ts';

const FORGOTTEN_MS = 60_000;
/** How often it looks. */
const LOOK_MS = 30_000;

export interface Holding {
  /** Held, or released and not acknowledged. */
  readonly leases: Iterable<HeldLease>;
  /** For a grant or an answer. */
  readonly isWaiting: boolean;
}

export class ForgottenLease {
  readonly #clock: Clock;
  readonly #holding: Holding;
  readonly #ifAlone: (alone: () => void) => void;
  readonly #warn: (warning: Warning) => void;
  #timer: Timer | undefined;
  #hasWarned = false;

  /** `ifAlone`: calls back if nothing but this keeper keeps the process alive. */
  constructor(clock: Clock, holding: Holding, ifAlone: (alone: () => void) => void, warn: (warning: Warning) => void) {
    this.#clock = clock;
    this.#holding = holding;
    this.#ifAlone = ifAlone;
    this.#warn = warn;
  }

  /** Whether the keeper keeps the process alive. */
  set busy(busy: boolean) {
    this.#timer?.cancel();
    this.#timer = busy && !this.#hasWarned ? this.#clock.setTimer(LOOK_MS, () => this.#look()) : undefined;
  }

  #look(): void {
    this.busy = true;
    if (this.#oldest()) this.#ifAlone(() => this.#tell());
  }

  #oldest(): HeldLease | undefined {
    if (this.#holding.isWaiting) return undefined;
    const heldBeforeMs = this.#clock.monotonicMs() - FORGOTTEN_MS;
    for (const held of this.#holding.leases) if (held.state === 'held' && held.grantedAtMs <= heldBeforeMs) return held;
    return undefined;
  }

  #tell(): void {
    const held = this.#oldest();
    if (!held || this.#hasWarned) return;
    this.#hasWarned = true;
    this.busy = false;
    const taken = held.takenAt ? ` It was taken ${held.takenAt}.` : '';
    this.#warn({
      code: 'LEASE_FORGOTTEN',
      message: `Nothing but lease ${held.id} on ${held.text} keeps this process alive, and has for a minute: its slots stay taken.${taken} Release it, or hold it with 'await using'; close() gives back all.`,
      details: { lease: held.id, limits: held.limits },
    });
  }
}
