/** The list of planted bugs keeps up with the sources. `npm run planted` shows that each bug is found. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planted } from './planted/copy.ts';
import { SEAMS } from './planted/seams.ts';

const root = join(import.meta.dirname, '..');

describe.each(Object.entries(SEAMS))('planted bugs of %s', (_, bugs) => {
  it.each(bugs.map((bug) => [bug.name, bug] as const))('%s: can be planted, and what finds it is there', (_, bug) => {
    expect(planted(bug)).toContain(bug.replace);
    expect(bug.replace).not.toBe(bug.find);
    expect(existsSync(join(root, bug.test ?? 'test/simulation/main.ts'))).toBe(true);
  });
});

it('each planted bug has its own name', () => {
  const names = Object.values(SEAMS).flatMap((bugs) => bugs.map(({ name }) => name));
  expect(names.length).toBe(new Set(names).size);
});
