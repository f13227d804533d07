import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { esmExternalRequirePlugin } from 'rolldown/plugins';
import { defineConfig } from 'tsdown';

/** What is bundled tries these and goes on without them. Here they are not there: in a bundle their names are nobody's. */
const OPTIONAL = /^(bufferutil|utf-8-validate|supports-color)$/;

/**
 * The published package has no dependencies: the protocol, `ws` and the proxies' agent are bundled into it; the server is loaded if it is
 * installed. Declarations come from the project's root tsconfig, since the protocol's lie outside this package's own.
 */
export default defineConfig({
  entry: { index: 'src/index.ts', v1: 'src/prefect/v1/index.ts', prefect: 'src/prefect/v2/index.ts' },
  platform: 'node',
  target: 'node22',
  fixedExtension: false,
  deps: { alwaysBundle: [/.*/], neverBundle: [/^node:/, '@slotkeeper/server'] },
  plugins: [
    {
      name: 'without-the-optional',
      resolveId: { filter: { id: OPTIONAL }, handler: (id) => `\0${id}` },
      load: {
        filter: { id: /^\0(bufferutil|utf-8-validate|supports-color)$/ },
        handler: () => 'throw new Error("not bundled");',
      },
    },
    // `ws` requires Node's modules. By `createRequire(import.meta.url)` a bundle to CommonJS could not: there is no URL.
    esmExternalRequirePlugin({ external: [...builtinModules] }),
  ],
  dts: { tsconfig: '../../tsconfig.json' },
  hooks: { 'build:done': ({ options }) => declareForRequire(options.outDir) },
  // Neither is news: declarations take most of the build, and TypeScript 7 is what makes them.
  checks: { bundlerTimings: false },
  suppressWarnings: [/TypeScript 7\.\d+ does not yet have a stable API/],
});

/**
 * A program in CommonJS may `require` this package (Node 22.12 and later), and gets the same modules. The compiler takes
 * declarations of an ES module for something that only `import` can load, so it gets a copy of them under another name.
 */
function declareForRequire(folder: string): void {
  for (const file of readdirSync(folder)) {
    if (!file.endsWith('.d.ts')) continue;
    const declarations = readFileSync(join(folder, file), 'utf8');
    writeFileSync(
      join(folder, file.replace(/\.d\.ts$/, '.d.cts')),
      declarations.replace(/(from "\.\/[^"]+)\.js"/g, '$1.cjs"'),
    );
  }
}
