import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from '../src/index.ts';

test('a name in a command to copy is one word for the shell, whatever it has', () => {
  for (const name of ['db', "it's; rm -rf $HOME `id`", 'two words', '$(id)', ''])
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(name)}`], { encoding: 'utf8' })).toBe(name);
});
