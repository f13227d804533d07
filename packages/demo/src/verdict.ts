/** The end of the demo: what was promised, what was seen, and whether the two agree. Pure. */
import { duration, type Paint } from '@slotkeeper/terminal';
import type { Sum } from './story.ts';

/** What was still there after all workers had ended, by the server's own account, and after the server had ended. */
export interface Remains {
  readonly taken: number;
  readonly holders: number;
  readonly waiters: number;
  readonly processes: number;
  readonly hasFolder: boolean;
  /** Of the server as it was asked to stop; null if it had to be killed. */
  readonly serverExitCode: number | null;
}

export interface Finding {
  readonly promise: string;
  readonly seen: string;
  readonly isKept: boolean;
}

export function findings(sum: Sum, remains: Remains, slots: number, ttlSeconds: number): Finding[] {
  const { fewest, most } = sum.grantsOfOne;
  return [
    {
      promise: 'never too many',
      seen: `at most ${sum.peak} of ${slots} slots at once, in ${sum.grants} grants`,
      isKept: sum.peak <= slots && sum.grants > 0,
    },
    {
      promise: 'nobody starves',
      seen: `${fewest} to ${most} grants a process; the longest wait ${duration(sum.longestWaitMs)}`,
      isKept: fewest > 0,
    },
    {
      promise: 'a killed holder',
      seen: `its slot was ${after(sum.regrantedAfterMs, 'granted on after', 'never granted on')} (time to live ${ttlSeconds} s)`,
      isKept: sum.regrantedAfterMs !== null,
    },
    {
      promise: 'a killed server',
      seen: `${after(sum.serverAwayMs, 'was away for', 'never came back')}, ${after(sum.firstGrantAfterMs, 'granted again after', 'granted nothing any more')}`,
      isKept: sum.serverAwayMs !== null && sum.firstGrantAfterMs !== null,
    },
    {
      promise: 'no errors',
      seen: sum.failures.length === 0 ? 'no process saw one, through all of this' : sum.failures.join('; '),
      isKept: sum.failures.length === 0,
    },
    nothingLeft(remains),
  ];
}

function after(ms: number | null, words: string, never: string): string {
  return ms === null ? never : `${words} ${duration(ms)}`;
}

function nothingLeft(remains: Remains): Finding {
  const { taken, holders, waiters, processes, hasFolder, serverExitCode } = remains;
  const counts = `taken ${taken}, holders ${holders}, waiters ${waiters}, processes ${processes}`;
  const folder = hasFolder ? 'the temporary folder is still there' : 'temporary folder removed';
  const exit = serverExitCode === 0 ? '' : `; the server ended with ${serverExitCode ?? 'a signal'}`;
  return {
    promise: 'nothing left behind',
    seen: `${counts}; ${folder}${exit}`,
    isKept: taken + holders + waiters + processes === 0 && !hasFolder && serverExitCode === 0,
  };
}

export function findingLines(all: readonly Finding[], paint: Paint): string[] {
  const width = Math.max(...all.map(({ promise }) => promise.length));
  return all.map(({ promise, seen, isKept }) => {
    const mark = isKept ? paint('green', '✓') : paint('red', '✗');
    return `  ${mark} ${paint('bold', promise.padEnd(width))}  ${isKept ? seen : paint('red', seen)}`;
  });
}
