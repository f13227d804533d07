/** What versions owe each other: one that is newer is told apart, and read as far as it goes. */
import type { PlantedBug } from './planted-bug.ts';

export const VERSIONS: readonly PlantedBug[] = [
  {
    name: 'a server in another version ends a running client for good',
    file: 'client/src/session.ts',
    find: 'if (otherVersions !== undefined) this.#lose(otherVersions, true);',
    replace: 'if (otherVersions !== undefined) this.#end(this.#turnedAway(error));',
    test: 'test/versions.test.ts',
  },
  {
    name: 'the server chooses the latest version that it speaks itself',
    file: 'protocol/src/versions.ts',
    find: 'const version = Math.min(a.max, b.max);',
    replace: 'const version = a.max;',
    test: 'test/versions.test.ts',
  },
  {
    name: 'a client of 0.1.0 is sent a field that it does not know',
    file: 'shape/src/shape.ts',
    find: 'while (row.length > required &&',
    replace: 'while (row.length > fields.length &&',
    test: 'test/versions.test.ts',
  },
  {
    name: 'a field of a later version is a breach',
    file: 'shape/src/shape.ts',
    find: 'if (row.length < required) throw',
    replace: 'if (row.length < required || row.length > sent) throw',
    test: 'packages/protocol/test/codec.test.ts',
  },
  {
    name: 'a journal of a newer format is opened',
    file: 'journal/src/sqlite-file.ts',
    find: 'if (format > FORMAT)',
    replace: 'if (format > FORMAT + 1)',
    test: 'packages/journal/test/sqlite-damage.test.ts',
  },
  {
    name: 'a file becomes one of a later format in two steps',
    file: 'journal/src/sqlite.ts',
    find: '      const tables = this.#inAnyCase(() =>\n        transaction(db, () => {\n          const present = contents instanceof Tables ? contents : migrateFromFormat3(db);',
    replace:
      '      const present = contents instanceof Tables ? contents : migrateFromFormat3(db);\n      const tables = this.#inAnyCase(() =>\n        transaction(db, () => {',
    test: 'packages/journal/test/formats.test.ts',
  },
  {
    name: 'all leases of a file of format 3 came over the session protocol',
    file: 'journal/src/format-3.ts',
    find: 'sessionId.startsWith(prefix)',
    replace: 'sessionId === prefix',
    test: 'packages/journal/test/formats.test.ts',
  },
];
