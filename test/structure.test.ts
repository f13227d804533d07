/** The direction of dependency (docs/design.md, "The shape"), no circles, and what a pure engine must not reach for. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circles, doorsOf, fileOf, type Import, PACKAGES, type Source, sourcesIn } from './imports.ts';

/** Which of our own packages each may import; those of `types` only as types. A new package says its own here. */
const MAY_IMPORT: Record<string, { readonly code: readonly string[]; readonly types?: readonly string[] }> = {
  engine: { code: [] },
  shape: { code: [] },
  journal: { code: ['engine', 'shape'] },
  protocol: { code: ['shape'], types: ['engine'] },
  client: { code: ['protocol', 'shape'] },
  terminal: { code: ['shape'] },
  prefect: { code: ['engine', 'journal', 'protocol', 'shape'] },
  demo: { code: ['client', 'terminal'] },
  server: { code: ['engine', 'journal', 'protocol', 'shape', 'prefect'] },
  'server/src/command': { code: ['client', 'demo', 'engine', 'prefect', 'protocol', 'terminal'] },
};

/** The one file that imports by a name made at run time: the client, the server that it embeds. */
const IMPORTS_BY_A_NAME = ['packages/client/src/embedded.ts'];

const doors = new Map(PACKAGES.map((folder) => [folder, doorsOf(folder)]));
const sources = new Map(PACKAGES.map((folder) => [folder, sourcesIn(`packages/${folder}/src`)]));
const all = [...sources.values()].flat();

/** The folder of our package that `from` names, if it is one of ours. */
function ours(from: string): string | undefined {
  for (const [folder, { name }] of doors) if (from === name || from.startsWith(`${name}/`)) return folder;
  return undefined;
}

/** The server's command is a room of its own: of the server's packages only it may import the client. */
function roomOf({ path }: Source): string {
  return path.startsWith('packages/server/src/command/') ? 'server/src/command' : (path.split('/')[1] as string);
}

function imports(isWrong: (from: Import, source: Source) => boolean, from: readonly Source[] = all): string[] {
  return from.flatMap((source) =>
    source.imports.filter((each) => isWrong(each, source)).map((each) => `${source.path} imports ${each.from}`),
  );
}

describe('the direction of dependency', () => {
  it.each(PACKAGES)('%s imports only the packages that it may', (folder) => {
    const own = sources.get(folder) as Source[];
    expect(own.length).toBeGreaterThan(0);
    const wrong = imports(({ from, isTypeOnly }, source) => {
      const target = ours(from);
      if (target === undefined) return false;
      const { code, types = [] } = MAY_IMPORT[roomOf(source)] ?? { code: [] };
      return !code.includes(target) && !(isTypeOnly && types.includes(target));
    }, own);
    expect(wrong).toEqual([]);
  });

  it('every package has its directions stated', () => {
    expect(Object.keys(MAY_IMPORT)).toEqual(expect.arrayContaining([...PACKAGES]));
  });

  it('a package is entered by its doors alone, the exports of its package.json', () => {
    const wrong = imports(({ from }, { path }) => {
      if (from.startsWith('.')) return !fileOf(path, from, [])?.startsWith(`packages/${path.split('/')[1]}/`);
      const target = ours(from);
      return target !== undefined && !doors.get(target)?.files.has(from);
    });
    expect(wrong).toEqual([]);
  });

  it('each door of a package is an index.ts', () => {
    for (const { files } of doors.values()) for (const file of files.values()) expect(file).toMatch(/\/index\.ts$/);
  });

  it('an import names what it imports, but where embedding is the point', () => {
    const found = all.filter(({ text }) => /\bimport\(\s*[^'\s)]/.test(text)).map(({ path }) => path);
    expect(found).toEqual(IMPORTS_BY_A_NAME);
  });

  it('no file imports itself by way of others, be it for a type', () => {
    const edges = new Map(
      all.map(({ path, imports: own }) => [
        path,
        own.map(({ from }) => fileOf(path, from, [...doors.values()])).filter((file) => file !== undefined),
      ]),
    );
    const found = circles(edges);
    expect(found.map((circle) => [...circle, circle[0]].join(' → '))).toEqual([]);
  });
});

it('a fast test starts no process, nor does what it imports', () => {
  const tests = new Map(
    [...PACKAGES.map((folder) => `packages/${folder}/test`), 'test']
      .flatMap(sourcesIn)
      .map((source) => [source.path, source]),
  );
  const isFast = (path: string): boolean =>
    /^(packages\/.*|test\/[^/]*)\.test\.ts$/.test(path) && !path.endsWith('.slow.test.ts');
  const starts = (path: string, seen = new Set<string>()): boolean => {
    if (seen.has(path)) return false;
    seen.add(path);
    const own = tests.get(path)?.imports ?? [];
    return own.some(({ from }) => from === 'node:child_process' || starts(join(path, '..', from), seen));
  };
  const fast = [...tests.keys()].filter(isFast);
  expect(fast.length).toBeGreaterThan(30);
  expect(fast.filter((path) => starts(path))).toEqual([]);
});

it('the engine has no clock, no timer, no randomness, and imports nothing', () => {
  const banned = /\bDate\b|Math\.random|setTimeout|setInterval|setImmediate|performance|process\.|node:|crypto/;
  const engine = sources.get('engine') as Source[];
  const reached = engine.flatMap(({ path, text }) =>
    text
      .split('\n')
      .filter((line) => banned.test(line) && !/^\s*(\/?\*|\/\/)/.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  expect(reached).toEqual([]);
  expect(imports(({ from }) => !from.startsWith('./'), engine)).toEqual([]);
});
