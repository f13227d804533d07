import { defineConfig } from 'tsdown';

/**
 * The published package has no dependencies: the protocol and `ws` are bundled into it; the server is loaded if it is
 * installed. Declarations come from the project's root tsconfig, since the protocol's lie outside this package's own.
 */
export default defineConfig({
  entry: { index: 'src/index.ts', v1: 'src/prefect/v1/index.ts', prefect: 'src/prefect/v2/index.ts' },
  platform: 'node',
  target: 'node22',
  fixedExtension: false,
  deps: { alwaysBundle: [/.*/], neverBundle: [/^node:/, 'bufferutil', 'utf-8-validate', '@slotkeeper/server'] },
  dts: { tsconfig: '../../tsconfig.json' },
  // Neither is news: declarations take most of the build, and TypeScript 7 is what makes them.
  checks: { bundlerTimings: false },
  suppressWarnings: [/TypeScript 7\.\d+ does not yet have a stable API/],
});
