import { expect, test } from 'vitest';
import type { Sum } from '../src/story.ts';
import { findingLines, findings, type Remains } from '../src/verdict.ts';

const GOOD: Sum = {
  grants: 150,
  grantsOfOne: { fewest: 11, most: 14 },
  peak: 3,
  longestWaitMs: 2900,
  regrantedAfterMs: 2010,
  serverAwayMs: 1300,
  firstGrantAfterMs: 2400,
  failures: [],
};
const CLEAN: Remains = { taken: 0, holders: 0, waiters: 0, processes: 0, hasFolder: false, serverExitCode: 0 };

function broken(sum: Partial<Sum>, remains: Partial<Remains> = {}): string[] {
  return findings({ ...GOOD, ...sum }, { ...CLEAN, ...remains }, 3, 2)
    .filter(({ isKept }) => !isKept)
    .map(({ promise }) => promise);
}

test('a demo that went well breaks no promise and says so in numbers', () => {
  expect(broken({})).toEqual([]);
  expect(findingLines(findings(GOOD, CLEAN, 3, 2), (_style, text) => text)).toEqual([
    '  ✓ never too many       at most 3 of 3 slots at once, in 150 grants',
    '  ✓ nobody starves       11 to 14 grants a process; the longest wait 2.9 s',
    '  ✓ a killed holder      its slot was granted on after 2.0 s (time to live 2 s)',
    '  ✓ a killed server      was away for 1.3 s, granted again after 2.4 s',
    '  ✓ no errors            no process saw one, through all of this',
    '  ✓ nothing left behind  taken 0, holders 0, waiters 0, processes 0; temporary folder removed',
  ]);
});

test.each<[string, Partial<Sum>, Partial<Remains>]>([
  ['never too many', { peak: 4 }, {}],
  ['never too many', { grants: 0 }, {}],
  ['nobody starves', { grantsOfOne: { fewest: 0, most: 9 } }, {}],
  ['a killed holder', { regrantedAfterMs: null }, {}],
  ['a killed server', { serverAwayMs: null, firstGrantAfterMs: null }, {}],
  ['a killed server', { firstGrantAfterMs: null }, {}],
  ['no errors', { failures: ['worker 2: lost'] }, {}],
  ['nothing left behind', {}, { taken: 1 }],
  ['nothing left behind', {}, { holders: 1 }],
  ['nothing left behind', {}, { waiters: 1 }],
  ['nothing left behind', {}, { processes: 1 }],
  ['nothing left behind', {}, { hasFolder: true }],
  ['nothing left behind', {}, { serverExitCode: null }],
])('%s is broken by %o %o', (promise, sum, remains) => {
  expect(broken(sum, remains)).toEqual([promise]);
});
