/** Keys and certificates as `serve` is given them, and SIGHUP, on the command as its users start it. */
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newKey } from '../../src/keys/key-file.ts';
import { type Run, startUnbuilt, temporaryFolder } from './built-command.ts';

async function ready(args: readonly string[]): Promise<{ run: Run; url: string; stderr: () => string }> {
  const run = startUnbuilt(['serve', '--port', '0', '--data', join(await temporaryFolder(), 'data'), ...args]);
  let stderr = '';
  run.child.stderr!.on('data', (text: string) => {
    stderr += text;
  });
  const [, url] = await run.printed(/ready on (\S+)/);
  return { run, url: url!, stderr: () => stderr };
}

async function statusWith(url: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${url}/api/v2/concurrency_limits/filter`, { method: 'POST', headers, body: '{}' })).status;
}

test('SIGHUP reads the keys again: one that was added is good, one that was removed is not', async () => {
  const folder = await temporaryFolder();
  const [first, second] = [newKey('first', 'read', ''), newKey('second', 'read', '')];
  const file = join(folder, 'keys');
  await writeFile(file, `${first.line}\n`);
  const { run, url, stderr } = await ready(['--api-keys', file]);
  const reread = async (times: number): Promise<void> => {
    run.child.kill('SIGHUP');
    while (stderr().split('was read again').length <= times) await once(run.child.stderr!, 'data');
  };
  expect([await statusWith(url, first.key), await statusWith(url, second.key)]).toEqual([200, 401]);
  await appendFile(file, `${second.line}\n`);
  await reread(1);
  expect([await statusWith(url, first.key), await statusWith(url, second.key)]).toEqual([200, 200]);
  await writeFile(file, `${second.line}\n`);
  await reread(2);
  expect([await statusWith(url, first.key), await statusWith(url, second.key)]).toEqual([401, 200]);
});

test('keys that would travel unencrypted beyond this machine are warned of, and a server that asks for keys is not open', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'key'), 'secret\n');
  const beyond = ['--host', '0.0.0.0', '--api-key-file', join(folder, 'key')];
  const clear = await ready(beyond);
  expect(clear.stderr()).toMatch(/^!! WARNING: keys travel unencrypted.*\n.*--tls-cert.*\n.*--trust-proxy\.\n/m);
  expect(clear.stderr()).not.toContain('open to everyone');
  const proxied = await ready([...beyond, '--trust-proxy']);
  expect(proxied.stderr()).not.toContain('WARNING');
});

test('a file of keys that is not there is one sentence, and nothing is served', async () => {
  const { code, stdout, stderr } = await startUnbuilt(['serve', '--port', '0', '--api-keys', '/nowhere/keys']).ended;
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: '/nowhere/keys cannot be read (ENOENT).\n' });
});
