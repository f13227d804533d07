import { defineConfig } from 'tsdown';

/**
 * The published package: the library, the command, and the demo's worker. The private packages (engine, journal,
 * protocol) are bundled into it, dependencies are not. Declarations come from the project's root tsconfig, since those of
 * the bundled packages lie outside this package's own.
 */
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    main: 'src/main.ts',
    'demo-worker': '../demo/src/worker.ts',
    'events-thread': '../prefect/src/events/store/store-thread.ts',
  },
  platform: 'node',
  target: 'node24',
  fixedExtension: false,
  dts: { entry: 'src/index.ts', tsconfig: '../../tsconfig.json' },
  // Neither is news: declarations take most of the build, and TypeScript 7 is what makes them.
  checks: { bundlerTimings: false },
  suppressWarnings: [/TypeScript 7\.\d+ does not yet have a stable API/],
});
