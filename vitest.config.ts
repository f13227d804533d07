import { defineConfig } from 'vitest/config';

const conditions = ['slotkeeper:source', 'node', 'import', 'default'];

/**
 * A test in a package, or directly in `test/`, is fast: one process, virtual time or no waiting. One that starts a process or
 * takes seconds is called `*.slow.test.ts`. The folders of `test/` are the system as a whole, and all slow.
 */
const FAST = ['packages/*/test/**/*.test.ts', 'test/*.test.ts'];
const SLOW = ['**/*.slow.test.ts', 'test/*/**/*.test.ts'];
const NO_TEST = ['**/node_modules/**', '**/dist/**'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      {
        extends: true,
        // Nothing of one file may disturb another: they share a process, which saves a third of the time.
        test: {
          name: 'fast',
          include: FAST,
          exclude: [...NO_TEST, ...SLOW],
          pool: 'threads',
          isolate: false,
          maxWorkers: 3, // of files that mostly wait for sockets and for the disk
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        // Tests wait for events. The timeout ends only what hangs, on however busy a machine.
        test: {
          name: 'slow',
          include: SLOW,
          exclude: NO_TEST,
          pool: 'forks',
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
