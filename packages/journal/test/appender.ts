/**
 * A process of its own that appends to a SQLite journal, for tests that kill it: `node appender.ts FOLDER [APPENDS]`.
 * It prints `open`, then the last position of each batch once that is durable. After so many appends it stays, and holds
 * the journal. Refused, it prints the code and the message and exits 1.
 */
import { writeSync } from 'node:fs';
import { JournalError, SqliteJournal } from '../src/index.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';

const [folder = '', appends = 'Infinity'] = process.argv.slice(2);
const journal = new SqliteJournal({ folder }, host);
try {
  await journal.follow();
  const { epoch, position } = await journal.lead();
  let after = position;
  say('open');
  for (let count = 0; count < Number(appends); count += 1) {
    const batch = numbered(1 + (count % 5), after + 1);
    await journal.append(batch, { epoch, after });
    after += batch.length;
    say(String(after));
  }
  process.stdin.resume();
} catch (error) {
  if (!(error instanceof JournalError)) throw error;
  say(`${error.code} ${error.message}`);
  process.exitCode = 1;
}

/** Before anything else happens: what was said may be the last thing that it does. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
