import { join } from 'node:path';
import { SqliteJournal } from '../src/index.ts';
import { conformance } from './conformance.ts';
import { newFolder } from './sqlite-places.ts';

conformance({
  name: 'SQLite',
  place() {
    const folder = join(newFolder(), 'made', 'by it');
    return () => new SqliteJournal({ folder });
  },
  skips: { 'a later writer displaces the earlier one': 'the lock on the file keeps a later one out' },
});
