/** The direction of dependency (docs/design.md, "The shape"), and what a pure engine must not reach for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly { readonly from: string; readonly isTypeOnly: boolean }[];
}

const OURS = [
  '@slotkeeper/demo',
  '@slotkeeper/engine',
  '@slotkeeper/journal',
  '@slotkeeper/prefect',
  '@slotkeeper/protocol',
  '@slotkeeper/server',
  '@slotkeeper/terminal',
  'slotkeeper',
];

/** Of our own packages, what each may import; `types` of those after the bar only as types. */
const ALLOWED: Record<string, { readonly code: readonly string[]; readonly types?: readonly string[] }> = {
  'packages/engine/src': { code: [] },
  'packages/journal/src': { code: ['@slotkeeper/engine'] },
  'packages/protocol/src': { code: [], types: ['@slotkeeper/engine'] },
  'packages/client/src': { code: ['@slotkeeper/protocol'] },
  'packages/prefect/src': { code: ['@slotkeeper/engine', '@slotkeeper/journal', '@slotkeeper/protocol'] },
  'packages/server/src': {
    code: ['@slotkeeper/engine', '@slotkeeper/journal', '@slotkeeper/prefect', '@slotkeeper/protocol'],
  },
  'packages/server/src/command': {
    code: ['@slotkeeper/prefect', '@slotkeeper/protocol', '@slotkeeper/terminal', 'slotkeeper'],
  },
  'packages/terminal/src': { code: [] },
  'packages/demo/src': { code: ['@slotkeeper/terminal', 'slotkeeper'] },
};

/** Who may import by a name that is made at run time: the client, the server that it embeds. */
const IMPORTS_BY_A_NAME = ['packages/client/src/embedded.ts'];

/** What the command loads only once it is asked for. */
const LOADED_BY_THE_COMMAND = ['slotkeeper', '@slotkeeper/demo'];

function sources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const text = readFileSync(join(root, folder, name), 'utf8');
      const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm);
      const imports = [...statements].map((match) => ({
        from: (match[2] ?? match[3]) as string,
        isTypeOnly: match[1] !== undefined,
      }));
      return {
        path: relative(root, join(root, folder, name))
          .split(sep)
          .join('/'),
        text,
        imports,
      };
    });
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

describe('the direction of dependency', () => {
  for (const [folder, { code, types = [] }] of Object.entries(ALLOWED)) {
    it(`${folder} imports only what it may`, () => {
      const nested = Object.keys(ALLOWED).filter((other) => other.startsWith(`${folder}/`));
      const own = sources(folder).filter(({ path }) => !nested.some((other) => path.startsWith(`${other}/`)));
      expect(own.length).toBeGreaterThan(0);
      const wrong = own.flatMap(({ path, imports }) =>
        imports
          .filter(({ from }) => OURS.includes(packageOf(from)))
          .filter(
            ({ from, isTypeOnly }) =>
              !code.includes(packageOf(from)) && !(isTypeOnly && types.includes(packageOf(from))),
          )
          .map(({ from }) => `${path} imports ${from}`),
      );
      expect(wrong).toEqual([]);
    });

    it(`${folder} stays within its package`, () => {
      const home = folder.split('/').slice(0, 2).join('/');
      const wrong = sources(folder).flatMap(({ path, imports }) =>
        imports
          .filter(({ from }) => from.startsWith('.'))
          .filter(({ from }) => !join(path, '..', from).split(sep).join('/').startsWith(`${home}/`))
          .map(({ from }) => `${path} imports ${from}`),
      );
      expect(wrong).toEqual([]);
    });
  }

  it('an import at run time names what it imports, and no package of ours, but where embedding is the point', () => {
    const found = Object.keys(ALLOWED).flatMap((folder) =>
      sources(folder).flatMap(({ path, text }) =>
        [...text.matchAll(/\bimport\(\s*([^)]*?)\s*\)/g)]
          .map(([, what]) => /^'([^']+)'$/.exec(what as string)?.[1])
          .filter((name) => name === undefined || OURS.includes(packageOf(name)))
          .filter(
            (name) => !(path.startsWith('packages/server/src/command/') && LOADED_BY_THE_COMMAND.includes(name ?? '')),
          )
          .map(() => path),
      ),
    );
    expect([...new Set(found)]).toEqual(IMPORTS_BY_A_NAME);
  });

  it('the engine has no clock, no timer, no randomness, and imports nothing', () => {
    const banned = /\bDate\b|Math\.random|setTimeout|setInterval|setImmediate|performance|process\.|node:|crypto/;
    const wrong = sources('packages/engine/src').flatMap(({ path, text, imports }) => [
      ...text
        .split('\n')
        .filter((line) => banned.test(line) && !/^\s*(\/?\*|\/\/)/.test(line))
        .map((line) => `${path}: ${line.trim()}`),
      ...imports.filter(({ from }) => !from.startsWith('./')).map(({ from }) => `${path} imports ${from}`),
    ]);
    expect(wrong).toEqual([]);
  });
});
