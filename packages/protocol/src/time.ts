/** Time as an argument: both ends of a session are driven by real time, or by a simulation's. */
export interface Clock {
  /** Milliseconds that never run backwards and do not jump; only differences mean anything. */
  monotonicMs(): number;
  /** Milliseconds since 1970, as the machine believes. */
  wallMs(): number;
  /** Calls back once, not before `delayMs` have passed. A timer alone does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Calls back when the current turn is over and what it produced can be sent together. */
  soon(callback: () => void): void;
}

export interface Timer {
  cancel(): void;
}
