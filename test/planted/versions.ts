/** What versions owe each other: one that is newer is told apart, and read as far as it goes. */
import type { PlantedBug } from './planted-bug.ts';

export const VERSIONS: readonly PlantedBug[] = [
  {
    name: 'a journal of a newer format is opened',
    file: 'journal/src/sqlite-file.ts',
    find: 'if (format > FORMAT)',
    replace: 'if (format > FORMAT + 1)',
    test: 'packages/journal/test/sqlite-damage.test.ts',
  },
];
