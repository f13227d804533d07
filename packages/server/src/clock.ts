/** Real time. What a turn of the event loop produced leaves after it has read all sockets that had something to say. */
import type { Clock } from '@slotkeeper/protocol';

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (callback) => setImmediate(callback),
};
