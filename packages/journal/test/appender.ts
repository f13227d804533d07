/**
 * A process of its own with a SQLite journal, for tests that kill it: `node appender.ts FOLDER [STEP …]`. It opens the
 * journal, prints `open`, takes each step, and then stays, and holds the journal. Steps:
 *
 *   appends:N    N appends of one to five facts; prints the last position of each once that is durable
 *   facts:N      one append of N facts; prints the last position
 *   snapshot:N   a snapshot of N parts of 200 KiB; prints `saved`
 *   reopen       closes the journal and opens it again; prints `open`
 *
 * A step that fails prints code and message, and the next one is taken. If one has failed it does not stay, but exits with 1.
 */
import { writeSync } from 'node:fs';
import { JournalError, SqliteJournal } from '../src/index.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';

const [folder = '', ...steps] = process.argv.slice(2);
let journal: SqliteJournal;
let epoch = 0;
let after = 0;

try {
  await open();
  for (const step of steps) await take(step).catch(refused);
  if (process.exitCode === undefined) process.stdin.resume();
} catch (error) {
  refused(error);
}

async function open(): Promise<void> {
  journal = new SqliteJournal({ folder }, host);
  await journal.follow();
  ({ epoch, position: after } = await journal.lead());
  say('open');
}

async function take(step: string): Promise<void> {
  const [kind, count] = step.split(':');
  switch (kind) {
    case 'appends':
      for (let done = 0; done < Number(count); done += 1) await append(1 + (done % 5));
      break;
    case 'facts':
      await append(Number(count));
      break;
    case 'snapshot':
      await journal.saveSnapshot(after, snapshot(Number(count)));
      say('saved');
      break;
    case 'reopen':
      await journal.close();
      await open();
      break;
    default:
      throw new Error(`no such step: ${step}`);
  }
}

async function append(count: number): Promise<void> {
  await journal.append(numbered(count, after + 1), { epoch, after });
  after += count;
  say(String(after));
}

function* snapshot(parts: number): Generator<string> {
  for (let part = 1; part <= parts; part += 1) yield 'x'.repeat(200 * 1_024);
}

function refused(error: unknown): void {
  if (!(error instanceof JournalError)) throw error;
  say(`${error.code} ${error.message}`);
  process.exitCode = 1;
}

/** Before anything else happens: what was said may be the last thing that it does. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
