/** A copy of the sources in a temporary folder, in which a bug can be planted. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { PlantedBug } from './planted-bug.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NOT_COPIED = ['node_modules', 'dist'];

/** The file's text with the bug in it. Throws if the text to replace is not there exactly once. */
export function planted({ name, file, find, replace }: PlantedBug): string {
  const text = readFileSync(join(ROOT, 'packages', file), 'utf8');
  const places = text.split(find).length - 1;
  if (places !== 1) throw new Error(`"${name}" cannot be planted: ${file} has its text ${places} times, not once.`);
  return text.replace(find, () => replace);
}

/** A copy, with the bug in it if there is one, for as long as `use` lasts. */
export async function inCopy<T>(bug: PlantedBug | undefined, use: (copy: string) => Promise<T>): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'slotkeeper-planted-'));
  try {
    for (const part of [
      'packages',
      'test',
      'docs',
      'package.json',
      'vitest.config.ts',
      'tsconfig.json',
      'tsconfig.base.json',
    ])
      cpSync(join(ROOT, part), join(copy, part), {
        recursive: true,
        filter: (path) => !NOT_COPIED.includes(basename(path)),
      });
    linkDependencies(copy);
    if (bug) writeFileSync(join(copy, 'packages', bug.file), planted(bug));
    return await use(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Other people's packages are the root's; ours are the copy's. */
function linkDependencies(copy: string): void {
  const modules = join(copy, 'node_modules');
  mkdirSync(join(modules, '@slotkeeper'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@slotkeeper' && name !== 'slotkeeper' && !name.startsWith('.vite'))
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  for (const folder of readdirSync(join(copy, 'packages'))) {
    const { name } = JSON.parse(readFileSync(join(copy, 'packages', folder, 'package.json'), 'utf8'));
    symlinkSync(join(copy, 'packages', folder), join(modules, name));
  }
}
