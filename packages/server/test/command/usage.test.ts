/** How a command line is read, in this process: nothing is started, nobody is asked. */
import { afterEach, expect, test, vi } from 'vitest';
import { run } from '../../src/command/program.ts';
import { sha256 } from '../../src/keys/key-file.ts';
import { VERSION } from '../../src/version.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function slotkeeper(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const printed = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      printed[stream] += text;
      return true;
    });
  const code = await run(['node', 'slotkeeper', ...args]);
  vi.restoreAllMocks();
  return { code, ...printed };
}

test.each([
  ['no command', []],
  ['an unknown command', ['hold']],
  ['an unknown option', ['holders', '--colour']],
  ['an unknown subcommand', ['limit', 'grow', 'db']],
  ['a missing name', ['limit', 'get']],
  ['one name too many', ['holders', 'a', 'b']],
  ['nothing to set', ['limit', 'set', 'db']],
  ['half a slot', ['limit', 'set', 'db', '--slots', '1.5']],
  ['less than no slots', ['limit', 'set', 'db', '--slots', '-1']],
  ['slots that are no number', ['limit', 'set', 'db', '--slots', 'NaN']],
  ['more slots than can be', ['limit', 'set', 'db', '--slots', '9007199254740992']],
  ['on and off at once', ['limit', 'set', 'db', '--active', '--inactive']],
  ['a port that cannot be', ['serve', '--port', '65536']],
  ['a size without a unit that is one', ['serve', '--retention-bytes', '1GB']],
  ['a size below the least', ['serve', '--retention-bytes', '1023KiB']],
  ['half a day', ['serve', '--retention-days', '0.5']],
  ['a key and a file for it at once', ['serve', '--api-key', 'k', '--api-key-file', 'f']],
  ['a certificate without its key', ['serve', '--tls-cert', 'cert.pem']],
  ['a key without a name', ['key', 'new']],
  ['a key whose name is none', ['key', 'new', 'a b']],
  ['a right that there is not', ['key', 'new', 'ci', '--right', 'root']],
  ['an empty folder name', ['serve', '--data', '']],
  ['an address that is none', ['limit', 'ls', '--url', 'nowhere']],
])('%s is wrong usage: exit code 2, told on stderr', async (_what, args) => {
  const { code, stdout, stderr } = await slotkeeper(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toBe('');
});

test('wrong usage names the option and what it may be', async () => {
  const { stderr } = await slotkeeper('limit', 'set', 'db', '--slots', '1.5');
  expect(stderr).toContain("'--slots <n>' argument '1.5' is invalid. It must be a whole number from 0 to 2147483647.");
});

test('a new key comes with its line for the file', async () => {
  const { code, stdout } = await slotkeeper('key', 'new', 'ci', '--right', 'read', '--prefix', 'team-a:', '--json');
  const { key, line } = JSON.parse(stdout);
  expect([code, JSON.parse(line)]).toEqual([0, { name: 'ci', right: 'read', prefix: 'team-a:', sha256: sha256(key) }]);
  const plain = await slotkeeper('key', 'new', 'ci');
  expect(plain.stdout).toMatch(
    /^The key, .*: slk_[\w-]{43}\nIts line .*: \{"name":"ci","right":"use","sha256":"[0-9a-f]{64}"\}\n$/,
  );
});

test('a wrong value in a variable is told with its name', async () => {
  vi.stubEnv('SLOTKEEPER_LISTEN_PORT', 'tcp://10.0.0.1:80');
  const { code, stderr } = await slotkeeper('serve');
  expect(code).toBe(2);
  expect(stderr).toContain('SLOTKEEPER_LISTEN_PORT');
});

test('help and version are no failures', async () => {
  const help = await slotkeeper('--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const command of ['serve', 'demo', 'limit', 'holders', 'waiters', 'import', 'key'])
    expect(help.stdout).toContain(command);
  expect(await slotkeeper('limit', 'set', '--help')).toMatchObject({ code: 0, stderr: '' });
  expect((await slotkeeper('--version')).stdout).toBe(`${VERSION}\n`);
});
