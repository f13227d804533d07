/** The demo as lines of text, at one instant. Pure. */
import { duration, type Paint, type Style } from '@slotkeeper/terminal';
import type { Activity, Story } from './story.ts';

export interface Note {
  readonly atMs: number;
  readonly text: string;
}

export interface Scene {
  readonly story: Story;
  readonly notes: readonly Note[];
  readonly workers: number;
  readonly slots: number;
  readonly startedAtMs: number;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const LEFT = 'worker 12  '.length;
const RIGHT = '  11th in line'.length;
const NOTE_LEFT = ' 12.3 s  '.length;
const NARROWEST = 80;
/** Each column of the strip shows one instant: so many holders above one another, so many at once. */
const COLUMN_MS = 100;
const NOTES_MAX = 6;

const STROKES: Record<Activity, { readonly stroke: string; readonly style?: Style }> = {
  absent: { stroke: ' ' },
  waits: { stroke: '·', style: 'dim' },
  holds: { stroke: '█', style: 'green' },
  rests: { stroke: ' ' },
  killed: { stroke: '×', style: 'red' },
};

/** Title, legend, a line a worker, holders, server, an empty one before and after. */
function rowsWithoutNotes(workers: number): number {
  return workers + 6;
}

/** Whether a terminal of that size can show the picture with a note or two. */
export function fits(size: Size, workers: number): boolean {
  return size.columns >= NARROWEST && size.rows >= rowsWithoutNotes(workers) + 4;
}

export function picture(scene: Scene, nowMs: number, size: Size, paint: Paint): string[] {
  const width = Math.min(size.columns - 1, 100) - LEFT - RIGHT;
  const lastMs = Math.floor(nowMs / COLUMN_MS) * COLUMN_MS;
  const columns = Array.from({ length: width }, (_, i) => lastMs - (width - 1 - i) * COLUMN_MS);
  const notes = Math.min(NOTES_MAX, size.rows - 1 - rowsWithoutNotes(scene.workers));
  return [
    paint('bold', title(scene)),
    legend(paint),
    '',
    ...workerLines(scene, columns, paint),
    `${'holding'.padEnd(LEFT)}${holdingStrip(scene, columns, paint)}`,
    `${'server'.padEnd(LEFT)}${serverStrip(scene, columns, paint)}`,
    '',
    ...scene.notes.slice(-notes).map((note) => noteLine(cut(note, size.columns - 1), scene.startedAtMs, paint)),
  ];
}

function title({ workers, slots }: Scene): string {
  return `${workers} processes share ${slots} slots. Look down any column: never more than ${slots} █ in it.`;
}

function cut(note: Note, columns: number): Note {
  return { ...note, text: note.text.slice(0, columns - NOTE_LEFT) };
}

function legend(paint: Paint): string {
  const names = { holds: 'holds', waits: 'waits', killed: 'killed' } as const;
  const signs = (['holds', 'waits', 'killed'] as const).map(
    (activity) => `${stroke(activity, 1, paint)} ${names[activity]}`,
  );
  return `${signs.join('   ')}   ${paint('dim', '     a column is 0.1 s; the right end is now')}`;
}

function workerLines({ story, workers }: Scene, columns: readonly number[], paint: Paint): string[] {
  const nowMs = columns.at(-1)!;
  const queue = story.those('waits', workers, nowMs).map(({ worker }) => worker);
  return Array.from({ length: workers }, (_, i) => i + 1).map((worker) => {
    const strip = runs(columns.map((atMs) => story.activity(worker, atMs).state))
      .map(([activity, length]) => stroke(activity, length, paint))
      .join('');
    const turn = story.activity(worker, nowMs);
    const position = queue.indexOf(worker) + 1;
    return `${`worker ${worker}`.padEnd(LEFT)}${strip}  ${doing(turn.state, nowMs - turn.atMs, position, paint)}`.trimEnd();
  });
}

function doing(activity: Activity, forMs: number, position: number, paint: Paint): string {
  if (activity === 'holds') return paint('green', `holds ${duration(forMs)}`);
  if (activity === 'killed') return paint('red', 'killed');
  if (activity === 'absent') return paint('dim', 'starts');
  return activity === 'waits' ? paint('dim', `${ordinal(position)} in line`) : '';
}

function ordinal(n: number): string {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? 'th' : ({ 1: 'st', 2: 'nd', 3: 'rd' }[n % 10] ?? 'th');
  return `${n}${suffix}`;
}

/** How many hold at each instant; those of a killed worker do not. */
function holdingStrip({ story, workers, slots }: Scene, columns: readonly number[], paint: Paint): string {
  const counts = columns.map((atMs) => story.those('holds', workers, atMs).length);
  return runs(counts)
    .map(([count, length]) => {
      const text = (count > 9 ? '+' : count > 0 ? String(count) : ' ').repeat(length);
      return count > slots ? paint('red', text) : count === slots ? text : paint('yellow', text);
    })
    .join('');
}

function serverStrip({ story }: Scene, columns: readonly number[], paint: Paint): string {
  const draw = { absent: () => '', up: paint.bind(null, 'cyan'), killed: paint.bind(null, 'red') };
  const strokes = { absent: ' ', up: '━', killed: '×' };
  const states = columns.map((atMs) => story.server(atMs));
  const strip = runs(states).map(([state, length]) =>
    state === 'absent' ? ' '.repeat(length) : draw[state](strokes[state].repeat(length)),
  );
  const now = states.at(-1)!;
  return `${strip.join('')}  ${draw[now](now)}`.trimEnd();
}

function stroke(activity: Activity, length: number, paint: Paint): string {
  const { stroke, style } = STROKES[activity];
  const text = stroke.repeat(length);
  return style === undefined ? text : paint(style, text);
}

/** Neighbours that are equal, as one with their number: a colour is set once for all of them. */
function runs<T>(values: readonly T[]): [value: T, length: number][] {
  const result: [T, number][] = [];
  for (const value of values) {
    const last = result.at(-1);
    if (last && last[0] === value) last[1] += 1;
    else result.push([value, 1]);
  }
  return result;
}

export function noteLine(note: Note, startedAtMs: number, paint: Paint): string {
  const seconds = ((note.atMs - startedAtMs) / 1000).toFixed(1);
  return `${paint('dim', `${seconds.padStart(5)} s`)}  ${note.text}`;
}

/** Who holds and who waits, as one line for where no picture can be drawn. */
export function stateText({ story, workers, slots }: Scene, nowMs: number): string {
  const names = (activity: Activity) => story.those(activity, workers, nowMs).map(({ worker }) => worker);
  const holders = names('holds');
  const waiting = names('waits');
  return `${holders.length} of ${slots} slots held: ${list(holders)}; waiting: ${list(waiting)}`;
}

function list(workers: readonly number[]): string {
  return workers.length === 0 ? 'nobody' : workers.join(' ');
}
