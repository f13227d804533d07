/** Which file imports which, read from the sources of all packages: types and imports at run time included. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
export const PACKAGES: readonly string[] = readdirSync(join(ROOT, 'packages')).sort();

export interface Import {
  readonly from: string;
  readonly isTypeOnly: boolean;
  readonly atRunTime: boolean;
}

export interface Source {
  /** From the root, with `/`: `packages/engine/src/heap.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/** All files below a folder, such as `packages/engine/src`. */
export function sourcesIn(folder: string): Source[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const text = readFileSync(join(ROOT, folder, file), 'utf8');
      return { path: `${folder}/${file.replaceAll('\\', '/')}`, text, imports: importsOf(text) };
    });
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm;
/** At run time, or as a type in the middle of another: `import('./heap.ts').Heap`. */
const EXPRESSION = /\bimport\(\s*'([^']+)'\s*\)/g;

function importsOf(text: string): Import[] {
  const statements = [...text.matchAll(STATEMENT)].map((match) => ({
    from: (match[2] ?? match[3]) as string,
    isTypeOnly: match[1] !== undefined,
    atRunTime: false,
  }));
  const expressions = [...text.matchAll(EXPRESSION)].map((match) => ({
    from: match[1] as string,
    isTypeOnly: false,
    atRunTime: true,
  }));
  return [...statements, ...expressions];
}

/** What a package is called, and its doors: each name by which others may import it, with the file behind it. */
export interface Doors {
  readonly name: string;
  readonly files: ReadonlyMap<string, string>;
}

export function doorsOf(folder: string): Doors {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'packages', folder, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, string | { 'slotkeeper:source': string }>;
  };
  const files = Object.entries(exports).map(([door, target]) => {
    const file = typeof target === 'string' ? target : target['slotkeeper:source'];
    return [join(name, door), join('packages', folder, file)] as const;
  });
  return { name, files: new Map(files) };
}

/** The file that an import leads to. Undefined for one of another's package. */
export function fileOf(path: string, from: string, doors: readonly Doors[]): string | undefined {
  if (from.startsWith('.')) return join(path, '..', from);
  for (const { files } of doors) if (files.has(from)) return files.get(from);
  return undefined;
}

/** The shortest circle through each file that is on one; each circle once. */
export function circles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found = new Map<string, string[]>();
  for (const start of edges.keys()) {
    const circle = shortestCircle(start, edges);
    if (circle) found.set([...circle].sort().join(), circle);
  }
  return [...found.values()];
}

function shortestCircle(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const next of edges.get(file) ?? []) {
      if (next === start) return wayTo(file, start, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function wayTo(file: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [file];
  for (let at = file; at !== start; way.unshift(at)) at = cameFrom.get(at) as string;
  return way;
}
