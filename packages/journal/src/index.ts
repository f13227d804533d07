export type { Space } from './ballast.ts';
export {
  type Followed,
  type Journal,
  JournalError,
  type JournalErrorCode,
  type JournalHost,
  type Led,
  type Retained,
  type Snapshot,
  type StoredFact,
} from './journal.ts';
export { MemoryJournal, MemoryStore } from './memory.ts';
export { catchUp, replay } from './replay.ts';
export { SnapshotWriter } from './snapshot-writer.ts';
export { SqliteJournal } from './sqlite.ts';
