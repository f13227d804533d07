/** Where the demo is shown: a picture redrawn in place in a terminal, or plain lines elsewhere. */
import { paintFor } from '@slotkeeper/terminal';
import { fits, type Note, noteLine, picture, type Scene, stateText } from './picture.ts';
import { machineMs } from './reports.ts';

export interface Screen {
  /** Something of note has happened. */
  note(text: string): void;
  /** Shows the end of it and leaves the terminal as it was. */
  end(): void;
}

/** Reports of the workers take a moment to arrive; what is shown as "now" is this old. */
const DELAY_MS = 100;
const FRAME_MS = 100;
const PLAIN_LINE_MS = 1000;

/** Shows `scene` from now on. Notes go into the scene's own list. */
export function openScreen(scene: Scene & { readonly notes: Note[] }, stdout: NodeJS.WriteStream): Screen {
  const size = { columns: stdout.columns ?? 0, rows: stdout.rows ?? 0 };
  const canRedraw = stdout.isTTY && process.env.TERM !== 'dumb' && fits(size, scene.workers);
  return canRedraw ? redrawn(scene, stdout) : plain(scene, stdout);
}

function redrawn(scene: Scene & { readonly notes: Note[] }, stdout: NodeJS.WriteStream): Screen {
  const paint = paintFor(stdout);
  let drawn = 0;
  const draw = (nowMs: number) => {
    const size = { columns: stdout.columns, rows: stdout.rows };
    const lines = picture(scene, nowMs, size, paint);
    const up = drawn === 0 ? '' : `\x1b[${drawn}A`;
    stdout.write(`\x1b[?25l${up}\r${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    drawn = lines.length;
  };
  const timer = setInterval(() => draw(machineMs() - DELAY_MS), FRAME_MS);
  return {
    note: (text) => {
      scene.notes.push({ atMs: machineMs(), text });
    },
    end: () => {
      clearInterval(timer);
      draw(machineMs());
      stdout.write('\x1b[?25h');
    },
  };
}

function plain(scene: Scene & { readonly notes: Note[] }, stdout: NodeJS.WriteStream): Screen {
  const paint = paintFor(stdout);
  const write = (note: Note) => stdout.write(`${noteLine(note, scene.startedAtMs, paint)}\n`);
  const timer = setInterval(() => {
    const nowMs = machineMs() - DELAY_MS;
    write({ atMs: machineMs(), text: stateText(scene, nowMs) });
  }, PLAIN_LINE_MS);
  return {
    note: (text) => {
      const note = { atMs: machineMs(), text };
      scene.notes.push(note);
      write(note);
    },
    end: () => clearInterval(timer),
  };
}
