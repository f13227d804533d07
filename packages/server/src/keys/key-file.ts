/**
 * The file of `--api-keys`: one key a line, as `slotkeeper key new` prints it. Blank lines and lines that begin with # are
 * ignored.
 *
 *   {"name":"ci","right":"use","prefix":"team-a:","sha256":"9f86d0…"}
 *
 * The file has no secrets: a key is 32 random bytes, which nobody can find from its SHA-256. No message shows the content of a
 * line, since that may be the key itself by mistake.
 */
import { createHash, randomBytes } from 'node:crypto';
import { RIGHTS, type Right } from '@slotkeeper/prefect';
import { anyText, leaf, oneOf, optional, shape } from '@slotkeeper/shape';

export interface KeyLine {
  readonly name: string;
  readonly right: Right;
  readonly prefix?: string;
  /** The key's SHA-256 in hexadecimal digits. */
  readonly sha256: string;
}

const KEY_BYTES = 32;
/** Begins each key, so that people and scanners recognise one wherever it turns up. */
const KEY_PREFIX = 'slk_';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const NAME_RULE = 'must be 1 to 64 letters, digits, dots, underscores and hyphens, and begin with a letter or digit';

const isText = (value: unknown): value is string => typeof value === 'string';
const matching = (pattern: RegExp, reason: string) =>
  leaf('text', isText, { type: 'string', pattern: pattern.source }, (value) =>
    pattern.test(value) ? undefined : reason,
  );

const line = shape<KeyLine>({
  name: matching(NAME, NAME_RULE),
  right: oneOf(...RIGHTS),
  prefix: optional(anyText),
  sha256: matching(SHA256, "must be the 64 digits that 'slotkeeper key new' prints"),
});

/** Why it can be no key's name; undefined if it can. */
export function whyNoName(name: string): string | undefined {
  return NAME.test(name) ? undefined : NAME_RULE;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Makes a new key, which is stored nowhere, and its line for the file. */
export function newKey(name: string, right: Right, prefix: string): { readonly key: string; readonly line: string } {
  const key = KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
  return { key, line: JSON.stringify({ name, right, ...(prefix !== '' && { prefix }), sha256: sha256(key) }) };
}

/** Throws an `Error` that names the line. */
export function readKeyFile(text: string, file: string): readonly KeyLine[] {
  const lines = text.split('\n').flatMap((row, at): KeyLine[] => {
    if (row.trim() === '' || row.startsWith('#')) return [];
    const where = `Line ${at + 1} of ${file}`;
    const value = parsed(row);
    if (value === undefined) throw new Error(`${where} is no JSON object. Make one with 'slotkeeper key new NAME'.`);
    const problem = line.check(value, '');
    if (problem) throw new Error(`${where}: ${problem.field} ${problem.reason}.`);
    return [value as KeyLine];
  });
  if (lines.length === 0)
    throw new Error(`There is no key in ${file}, so nobody could come in. Make one with 'slotkeeper key new NAME'.`);
  return lines;
}

function parsed(row: string): object | undefined {
  try {
    const value: unknown = JSON.parse(row);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
