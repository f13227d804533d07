/** Recorded exchanges: a line each, after one that says where they come from. */
import { readFileSync } from 'node:fs';

export function readLines<T>(file: string): T[] {
  const lines = readFileSync(new URL(file, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.slice(1).map((line) => JSON.parse(line));
}
