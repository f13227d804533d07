import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { sentence, shellWord } from '../src/index.ts';

test('what an error says reaches the terminal as one line without escape sequences', () => {
  expect(sentence(new Error("no limit 'a\u001b]0;owned\u0007b'\n  there"))).toBe(
    "no limit 'a\\u001b]0;owned\\u0007b' there",
  );
});

test('a name in a command to copy is one word for the shell, whatever it has', () => {
  for (const name of ['db', "it's; rm -rf $HOME `id`", 'two words', '$(id)', ''])
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(name)}`], { encoding: 'utf8' })).toBe(name);
});
