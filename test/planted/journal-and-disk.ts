/** What the journal owes the disk, and what it must not believe of it. */
import type { PlantedBug } from './planted-bug.ts';

const processes = 'packages/journal/test/sqlite-processes.slow.test.ts';
const power = 'packages/journal/test/sqlite-power.slow.test.ts';
const snapshot = 'packages/journal/test/snapshot.test.ts';

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
  {
    name: 'commits are not synced',
    file: 'journal/src/sqlite-file.ts',
    find: 'PRAGMA synchronous = FULL',
    replace: 'PRAGMA synchronous = NORMAL',
    test: power,
  },
  {
    name: 'what an earlier process could not sync is believed as it is read',
    file: 'journal/src/sqlite-file.ts',
    find: "  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');\n",
    replace: '',
    test: power,
  },
  {
    name: 'a log is not moved into the database as that is opened',
    file: 'journal/src/sqlite-file.ts',
    find: "  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');\n",
    replace: '',
    test: processes,
  },
  {
    name: 'it writes on after a write that failed',
    file: 'journal/src/sqlite.ts',
    find: '      if (!isDiskFull(error)) this.#failed = named;\n',
    replace: '',
    test: processes,
  },
  {
    name: 'a snapshot that fails ends the journal',
    file: 'journal/src/sqlite.ts',
    find: 'this.#writeSnapshot((tables) => tables.insertPart(row, isLast));',
    replace: "this.#write('write to', (tables) => tables.insertPart(row, isLast));",
    test: processes,
  },
  {
    name: 'a snapshot takes the space that appends need',
    file: 'journal/src/sqlite.ts',
    find: '        this.#leaveSpace();\n',
    replace: '',
    test: 'packages/journal/test/sqlite-disk.slow.test.ts',
  },
  {
    name: 'a snapshot counts before it is complete',
    file: 'journal/src/sqlite-tables.ts',
    find: 'if (isLast) this.setHead',
    replace: 'if (isLast || part > 0) this.setHead',
    test: 'packages/journal/test/sqlite.test.ts',
  },
  {
    name: 'all parts of a snapshot are taken in one turn',
    file: 'journal/src/memory.ts',
    find: 'await new Promise<void>((resolve) => this.#host.soon(resolve));',
    replace: 'await null;',
    test: 'packages/journal/test/memory.test.ts',
  },
  {
    name: 'a lease that ends while a snapshot is written is not in it',
    file: 'engine/src/state.ts',
    find: 'if (snapshotUnderWay !== null && lease.snapshot !== snapshots) snapshotUnderWay.leaseChanges(lease);',
    replace: 'void [snapshotUnderWay, snapshots, lease];',
    test: snapshot,
  },
  {
    name: 'a limit is in a snapshot as it became while that was written',
    file: 'engine/src/state.ts',
    find: 'if (snapshotUnderWay !== null && limit.snapshot !== snapshots) snapshotUnderWay.limitChanges(limit);',
    replace: 'void [snapshotUnderWay, snapshots, limit];',
    test: snapshot,
  },
  {
    name: 'a lease is in a snapshot that began before it was granted',
    file: 'engine/src/state.ts',
    find: '        origin: fact.origin,\n        snapshot: state.snapshots,',
    replace: '        origin: fact.origin,\n        snapshot: 0,',
    test: snapshot,
  },
];
