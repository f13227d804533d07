/** What compiles and what does not is written down in test-types, each `@ts-expect-error` a case. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const folder = fileURLToPath(new URL('../test-types/', import.meta.url));

test.each([
  ['what is inferred, and what is refused', 'tsconfig.json'],
  ['names of limits that a program has declared', 'registered.json'],
])('%s', (_, project) => {
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', join(folder, project)], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
