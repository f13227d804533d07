import type { JournalHost } from '../src/index.ts';

/** The wall clock of every test of a journal that is kept in this host. */
export const WALL_MS = 1_800_000_000_000;

export const host: JournalHost = { wallMs: () => WALL_MS, soon: setImmediate };
