/** docs/errors.md is in step with the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS } from '@slotkeeper/protocol';
import * as slotkeeper from 'slotkeeper';
import { describe, expect, it } from 'vitest';

const page = readFileSync(join(import.meta.dirname, '../docs/errors.md'), 'utf8');
const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| `(\w+)` \| (\d+) \| (yes|no) \| (.+) \| (.+) \|$/gm)];

/** Every error class that the client exports. */
const classes = Object.entries(slotkeeper).filter(
  ([name, value]) => typeof value === 'function' && name.endsWith('Error') && name !== 'SlotkeeperError',
) as [string, new (message: string) => slotkeeper.SlotkeeperError][];

describe('docs/errors.md', () => {
  it('has a row for each error class, with its code, and no other', () => {
    const documented = rows.map(([, code, name]) => `${code} ${name}`).sort();
    const exported = classes.map(([name, Class]) => `${new Class('').code} ${name}`).sort();
    expect(exported).toHaveLength(10);
    expect(documented).toEqual(exported);
  });

  it('has the HTTP status of each code, and whether to try again', () => {
    const documented = Object.fromEntries(
      rows.map(([, code, , status, again]) => [code, { status: Number(status), retry: again === 'yes' }]),
    );
    const inCode = Object.entries(ERRORS).map(([code, { status, retry }]) => [code, { status, retry }]);
    expect(documented).toEqual(Object.fromEntries(inCode));
  });

  it('has what to do for the engine, whose refusals state what happened and name no call of any language', () => {
    const source = readFileSync(join(import.meta.dirname, '../packages/engine/src/refusals.ts'), 'utf8');
    const texts = [...source.matchAll(/`([^`]*)`/g)].map(([, text]) => text);
    expect(texts.length).toBeGreaterThan(12);
    for (const text of texts)
      expect(text).not.toMatch(/limits\.\w|onMissing|slotDecayPerSecond|\b(Ask|Choose|Try|Wait|Hold)\b/);
  });

  it('has every reason for which the engine says no', () => {
    const source = readFileSync(join(import.meta.dirname, '../packages/engine/src/refusals.ts'), 'utf8');
    const codes = new Set([...source.matchAll(/code: '([A-Z_]+)'/g)].map(([, code]) => code));
    expect(codes.size).toBeGreaterThan(5);
    for (const code of codes) expect(rows.map((row) => row[1])).toContain(code);
  });

  it('has every warning', () => {
    const source = readFileSync(join(import.meta.dirname, '../packages/client/src/keeper.ts'), 'utf8');
    const codes = /code:\s*((?:\|?\s*'[A-Z_]+'\s*)+);/.exec(source)?.[1]?.match(/[A-Z_]+/g) ?? [];
    expect(codes.length).toBeGreaterThan(2);
    for (const code of codes) expect(page).toContain(`| \`${code}\` |`);
  });
});
