import { join } from 'node:path';
import { SqliteJournal } from '../src/index.ts';
import { conformance } from './conformance.ts';
import { host, WALL_MS } from './host.ts';
import { newFolder } from './sqlite-places.ts';

conformance({
  name: 'SQLite',
  nowMs: async () => WALL_MS,
  place() {
    const folder = join(newFolder(), 'made', 'by it');
    return () => new SqliteJournal({ folder }, host);
  },
  skips: {
    'a later writer displaces the earlier one': 'the lock on the file keeps a later one out',
    'what was written between following and leading is there to read': 'the lock on the file keeps others out',
  },
});
