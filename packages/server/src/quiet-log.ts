/** A log in which the same sentence stands once a minute at the most: what fails each second would fill it. */
import type { Clock } from '@slotkeeper/protocol';

const REPEAT_MS = 60_000;
/** So many sentences are remembered: some have a stack in them. */
const REMEMBERED_MAX = 100;

export type Log = (level: 'info' | 'warn' | 'error', message: string) => void;

export function quietLog(clock: Pick<Clock, 'monotonicMs'>, log: Log): Log {
  const loggedAtMs = new Map<string, number>();
  return (level, message) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - (loggedAtMs.get(message) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    if (loggedAtMs.size >= REMEMBERED_MAX) loggedAtMs.clear();
    loggedAtMs.set(message, nowMs);
    log(level, message);
  };
}
