import type { Clock } from '@slotkeeper/protocol';

/** Node's timers take no more. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, TIMEOUT_MAX_MS);
      timer = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : callback()), stepMs).unref();
    };
    wait(Math.ceil(delayMs));
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (callback) => process.nextTick(callback),
};
