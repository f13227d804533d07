/** Real time. `soon` calls back once the event loop has read all sockets that have data, so one frame or batch has all of it. */
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
