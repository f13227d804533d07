/**
 * A process of its own that appends to a SQLite journal, for tests that kill it: `node appender.ts FOLDER [APPENDS [PARTS]]`.
 * It prints `open`, then the last position of each batch once that is durable. After so many appends it stays, and holds
 * the journal. With PARTS it first saves a snapshot of so many parts of 200 KiB, prints how that went, and appends twice
 * more. Refused, it prints the code and the message and exits 1.
 */
import { writeSync } from 'node:fs';
import { JournalError, SqliteJournal } from '../src/index.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';

const [folder = '', appends = 'Infinity', parts] = process.argv.slice(2);
const journal = new SqliteJournal({ folder }, host);
try {
  await journal.follow();
  const { epoch, position } = await journal.lead();
  let after = position;
  const append = async (count: number): Promise<void> => {
    await journal.append(numbered(count, after + 1), { epoch, after });
    after += count;
    say(String(after));
  };
  say('open');
  for (let count = 0; count < Number(appends); count += 1) await append(1 + (count % 5));
  if (parts !== undefined) {
    await journal.saveSnapshot(after, snapshot(Number(parts))).then(() => say('saved'), refused);
    for (let count = 1; count <= 2; count += 1) await append(count);
  }
  process.stdin.resume();
} catch (error) {
  refused(error);
  process.exitCode = 1;
}

function* snapshot(parts: number): Generator<string> {
  for (let part = 1; part <= parts; part += 1) yield 'x'.repeat(200 * 1_024);
}

function refused(error: unknown): void {
  if (!(error instanceof JournalError)) throw error;
  say(`${error.code} ${error.message}`);
}

/** Before anything else happens: what was said may be the last thing that it does. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
