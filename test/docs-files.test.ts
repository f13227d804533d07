/** A page that names a file is a map: the file must be there. */
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const exclude = ['**/node_modules/**', '**/dist/**'];
const NAMED = /`([\w./-]+\.ts)`/g;
/** The README has its reader write it. */
const OF_THE_READER = 'first.ts';

it('each source file that a page names exists', () => {
  const files = globSync('**/*.ts', { exclude }).map((file) => `/${file}`);
  const pages = globSync('**/*.md', { exclude });
  const named = pages.flatMap((page) => {
    const names = [...readFileSync(page, 'utf8').matchAll(NAMED)].map(([, name]) => name as string);
    return names.map((name) => ({ page, name }));
  });
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter(
    ({ name }) => name !== OF_THE_READER && !files.some((file) => file.endsWith(`/${name}`)),
  );
  expect(missing).toEqual([]);
});
