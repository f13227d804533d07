/** What the journal owes the disk, and what it must not believe of it. */
import type { PlantedBug } from './planted-bug.ts';

const processes = 'packages/journal/test/sqlite-processes.slow.test.ts';

export const JOURNAL_AND_DISK: readonly PlantedBug[] = [
  {
    name: 'two processes have one file open',
    file: 'journal/src/sqlite-file.ts',
    find: 'PRAGMA locking_mode = EXCLUSIVE',
    replace: 'PRAGMA locking_mode = NORMAL',
    test: processes,
  },
  {
    name: 'a log that breaks off in the middle is read up to there',
    file: 'journal/src/sqlite-file.ts',
    find: 'if (logSize) checkLog(',
    replace: 'if (!logSize) checkLog(',
    test: processes,
  },
  {
    name: 'a log whose last commit was torn is refused',
    file: 'journal/src/sqlite-log.ts',
    find: 'commitsBehindBreak(log) >= 2 && commitsBehindBreak(log) >= 2',
    replace: 'commitsBehindBreak(log) >= 1',
    test: processes,
  },
  {
    name: 'a flipped bit in a batch is believed',
    file: 'journal/src/sqlite-tables.ts',
    find: 'if (row.checksum !== batchChecksum(batch))',
    replace: 'if (row.checksum === null)',
    test: 'packages/journal/test/sqlite-damage.test.ts',
  },
  {
    name: 'an append follows whatever the file has',
    file: 'journal/src/sqlite.ts',
    find: 'epoch !== head.epoch || after !== head.position',
    replace: 'epoch > head.epoch',
    test: 'packages/journal/test/sqlite.test.ts',
  },
];
