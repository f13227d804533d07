export { type Journal, JournalError, type JournalErrorCode, type Opened, type StoredFact } from './journal.ts';
export { MemoryJournal, MemoryStore } from './memory.ts';
export { replay } from './replay.ts';
export { decodeState } from './snapshot.ts';
export { SqliteJournal } from './sqlite.ts';
