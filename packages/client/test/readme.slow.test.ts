/** The example of the package's first page runs as it is written. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

test('the example takes slots of an embedded engine and gives them back', () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';
  const args = ['--conditions=slotkeeper:source', '--input-type=module-typescript', '--eval', example];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stdout, stderr).toBe("2\nnightly [ { name: 'db', slots: 1 } ]\n");
  expect(status).toBe(0);
});
