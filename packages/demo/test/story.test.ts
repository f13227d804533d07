import { expect, test } from 'vitest';
import { Story, type StoryEvent, sumOf } from '../src/story.ts';

function storyOf(...events: StoryEvent[]): Story {
  const story = new Story();
  for (const event of events) story.add(event);
  return story;
}

/** A worker that waits from `waits`, holds from `holds`, and rests from `rests` on. */
function round(worker: number, waits: number, holds: number, rests?: number): StoryEvent[] {
  const events: StoryEvent[] = [
    { type: 'waits', worker, atMs: waits },
    { type: 'holds', worker, atMs: holds },
  ];
  return rests === undefined ? events : [...events, { type: 'rests', worker, atMs: rests }];
}

test('events that arrive late take their place in time', () => {
  const story = storyOf(...round(2, 0, 105, 300), ...round(1, 0, 10, 100));
  expect(story.events.map(({ atMs }) => atMs)).toEqual([0, 0, 10, 100, 105, 300]);
  expect(sumOf(story.events, 1, 2).peak).toBe(1);
});

test('the peak counts whoever works at one instant', () => {
  const story = storyOf(...round(1, 0, 10, 50), ...round(2, 0, 20, 60), ...round(3, 0, 30, 40), ...round(4, 0, 45, 70));
  expect(sumOf(story.events, 3, 4)).toMatchObject({ grants: 4, peak: 3, longestWaitMs: 45 });
});

test('one too many at once is seen', () => {
  const story = storyOf(...round(1, 0, 10, 50), ...round(2, 0, 20, 60));
  expect(sumOf(story.events, 1, 2).peak).toBe(2);
});

test('the slot of a killed holder is granted on when all slots are in use without it', () => {
  const story = storyOf(
    ...round(1, 0, 10),
    ...round(2, 0, 10, 300),
    { type: 'killed', worker: 1, atMs: 100 },
    ...round(3, 0, 310, 900),
    ...round(4, 0, 700, 950),
  );
  expect(sumOf(story.events, 2, 4)).toMatchObject({ regrantedAfterMs: 600, peak: 2 });
});

test('a slot that is never granted on is told as such', () => {
  const story = storyOf(...round(1, 0, 10), ...round(2, 0, 10, 300), { type: 'killed', worker: 1, atMs: 100 });
  expect(sumOf(story.events, 2, 3).regrantedAfterMs).toBeNull();
});

test('the killed worker does not count as one that was starved', () => {
  const story = storyOf({ type: 'killed', worker: 1, atMs: 5 }, ...round(2, 0, 10, 20), ...round(2, 21, 30, 40));
  expect(sumOf(story.events, 1, 2).grantsOfOne).toEqual({ fewest: 2, most: 2 });
});

test('a worker that never had a turn is the fewest', () => {
  expect(sumOf(storyOf(...round(1, 0, 10, 20)).events, 1, 2).grantsOfOne).toEqual({ fewest: 0, most: 1 });
});

test('the server is away from its kill until it is ready again, and grants after that', () => {
  const story = storyOf(
    { type: 'server.ready', atMs: 0 },
    { type: 'server.killed', atMs: 1000 },
    ...round(1, 900, 1001, 1200),
    { type: 'server.ready', atMs: 2500 },
    ...round(2, 950, 3600, 3700),
  );
  expect(sumOf(story.events, 1, 2)).toMatchObject({ serverAwayMs: 1500, firstGrantAfterMs: 2600 });
  expect([500, 1000, 2500].map((atMs) => story.server(atMs))).toEqual(['up', 'killed', 'up']);
});

test('a server that stays away is told as such', () => {
  const story = storyOf({ type: 'server.ready', atMs: 0 }, { type: 'server.killed', atMs: 1000 });
  expect(sumOf(story.events, 1, 1)).toMatchObject({ serverAwayMs: null, firstGrantAfterMs: null });
});

test('those who wait are told in the order in which they came', () => {
  const story = storyOf(
    { type: 'waits', worker: 3, atMs: 1 },
    { type: 'waits', worker: 1, atMs: 2 },
    { type: 'waits', worker: 2, atMs: 3 },
    { type: 'holds', worker: 3, atMs: 4 },
  );
  expect(story.those('waits', 4, 5).map(({ worker }) => worker)).toEqual([1, 2]);
  expect(story.those('waits', 4, 1).map(({ worker }) => worker)).toEqual([3]);
  expect(story.activity(4, 5).state).toBe('absent');
});
