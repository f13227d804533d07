import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readCredentials } from '../src/keys/credentials.ts';
import { newKey, readKeyFile, sha256 } from '../src/keys/key-file.ts';

it('a new key is found by its line, and its line does not have it', () => {
  const { key, line } = newKey('ci', 'use', 'team-a:');
  expect(readKeyFile(`# ours\n\n${line}\n`, 'keys')).toEqual([
    { name: 'ci', right: 'use', prefix: 'team-a:', sha256: sha256(key) },
  ]);
  expect(line).not.toContain(key);
  expect(newKey('ci', 'use', '').key).not.toBe(key);
});

const DIGEST = sha256('secret');

it.each([
  ['the key itself', 'slk_0123456789', 'Line 2 of keys is no JSON object.'],
  ['a list', '["ci"]', 'Line 2 of keys is no JSON object.'],
  ['the key in place of its digest', '{"name":"ci","right":"use","sha256":"slk_0123456789"}', 'Line 2 of keys: sha256'],
  ['an unknown right', `{"name":"ci","right":"root","sha256":"${DIGEST}"}`, 'Line 2 of keys: right'],
  ['no name', `{"right":"use","sha256":"${DIGEST}"}`, 'Line 2 of keys: name'],
  ['a name with a line break', `{"name":"a\\nb","right":"use","sha256":"${DIGEST}"}`, 'Line 2 of keys: name'],
  ['a setting that there is not', `{"name":"ci","right":"use","sha256":"${DIGEST}","ttl":1}`, 'Line 2 of keys: ttl'],
])('%s in a file of keys is refused by its line, which is not shown', (_, row, says) => {
  let message = '';
  try {
    readKeyFile(`# ours\n${row}\n`, 'keys');
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain(says);
  expect(message).not.toContain('slk_');
});

it('a file without a key would let nobody in, and is refused', () => {
  expect(() => readKeyFile('# none\n\n', 'keys')).toThrow(/no key in keys.*slotkeeper key new/);
});

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'file'), text);
  return join(folder, 'file');
}

it('secrets may be in files of their own, with a line break at the end or without', () => {
  const given = readCredentials({ apiKey: 'key', authString: 'user:pass' });
  const read = { apiKeyFile: file('key\n'), authStringFile: file('user:pass') };
  expect(readCredentials(read)).toEqual(given);
  expect(() => readCredentials({ apiKeyFile: file('\n') })).toThrow(/is empty/);
  expect(() => readCredentials({ apiKeyFile: file('a\nb\n') })).toThrow(/more than one line/);
  expect(() => readCredentials({ apiKeyFile: '/nowhere' })).toThrow('/nowhere cannot be read (ENOENT)');
});

it('two keys of one name, or one key with two rights, are refused', () => {
  const line = (name: string, right: string, key: string) => JSON.stringify({ name, right, sha256: sha256(key) });
  const both =
    (...lines: string[]) =>
    () =>
      readCredentials({ apiKey: 'x', apiKeysFile: file(lines.join('\n')) });
  expect(both(line('ci', 'use', 'a'), line('ci', 'read', 'b'))).toThrow("Two keys have the name 'ci'");
  expect(both(line('api-key', 'use', 'a'))).toThrow("Two keys have the name 'api-key'");
  expect(both(line('ci', 'use', 'a'), line('cd', 'admin', 'a'))).toThrow("The keys 'ci' and 'cd' are the same");
});
