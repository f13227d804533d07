import { expect, test } from 'vitest';
import { fits, picture, type Scene, stateText } from '../src/picture.ts';
import { Story } from '../src/story.ts';

const plain = (_style: string, text: string) => text;
const SIZE = { columns: 80, rows: 24 };

/** Three workers, two slots: 1 holds and is killed, 2 holds, 3 waits; the server is away for a moment. */
function scene(): Scene {
  const story = new Story();
  story.add({ type: 'server.ready', atMs: 1000 });
  for (const worker of [1, 2, 3]) story.add({ type: 'waits', worker, atMs: 1500 });
  for (const worker of [1, 2]) story.add({ type: 'holds', worker, atMs: 2000 });
  story.add({ type: 'killed', worker: 1, atMs: 2500 });
  story.add({ type: 'server.killed', atMs: 2600 });
  story.add({ type: 'server.ready', atMs: 2800 });
  const notes = Array.from({ length: 9 }, (_, i) => ({ atMs: 1000 + i * 200, text: `note ${i}` }));
  return { story, notes, workers: 3, slots: 2, startedAtMs: 0 };
}

function lineOf(lines: readonly string[], start: string): string {
  return lines.find((line) => line.startsWith(start))!.slice('worker 12  '.length);
}

test('a worker is a line: waiting, holding, killed, a column for each tenth of a second', () => {
  const lines = picture(scene(), 3000, SIZE, plain);
  expect(lineOf(lines, 'worker 1').trimStart()).toBe('·····█████××××××  killed');
  expect(lineOf(lines, 'worker 2').trimStart()).toBe('·····███████████  holds 1.0 s');
  expect(lineOf(lines, 'worker 3').trimStart()).toBe('················  1st in line');
});

test('below the workers stand how many hold, and whether the server is there', () => {
  const lines = picture(scene(), 3000, SIZE, plain);
  expect(lineOf(lines, 'holding').trimStart()).toBe('22222111111');
  expect(lineOf(lines, 'server').trimStart()).toBe('━━━━━━━━━━━━━━━━××━━━  up');
});

test('columns stay what they are as time goes on: the strip moves, it does not flicker', () => {
  const at = (nowMs: number) => lineOf(picture(scene(), nowMs, SIZE, plain), 'worker 1');
  expect(at(3049)).toBe(at(3000));
  expect(at(3100)).toBe(`${at(3000).slice(1).replace('  killed', '×  killed')}`);
});

test('the picture stays inside the terminal, with the newest notes', () => {
  for (const size of [SIZE, { columns: 200, rows: 60 }]) {
    const lines = picture(scene(), 3000, size, plain);
    expect(lines.length).toBeLessThan(size.rows);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(size.columns);
    expect(lines.at(-1)).toBe('  2.6 s  note 8');
  }
});

test('a long note is cut at the edge', () => {
  const long = { ...scene(), notes: [{ atMs: 0, text: 'x'.repeat(200) }] };
  expect(picture(long, 3000, SIZE, plain).at(-1)).toHaveLength(79);
});

test('a terminal that is too small or too narrow gets no picture', () => {
  expect(fits({ columns: 80, rows: 24 }, 12)).toBe(true);
  expect(fits({ columns: 79, rows: 24 }, 12)).toBe(false);
  expect(fits({ columns: 80, rows: 20 }, 12)).toBe(false);
  expect(fits({ columns: 0, rows: 0 }, 12)).toBe(false);
});

test('where no picture can be drawn a line says who holds and who waits', () => {
  expect(stateText(scene(), 2000)).toBe('2 of 2 slots held: 1 2; waiting: 3');
  expect(stateText(scene(), 1000)).toBe('0 of 2 slots held: nobody; waiting: nobody');
});
