/** Patterns of labels, held against a plain definition of what they mean. */
import { expect, it } from 'vitest';
import { Random } from '../../../../test/random.ts';
import { globMatcher } from '../../src/events/store/glob.ts';

/** What a pattern means, word for word. It may take for ever. */
function means(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '*') return means(pattern.slice(1), text) || (text !== '' && means(pattern, text.slice(1)));
  return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && means(pattern.slice(1), text.slice(1));
}

function letters(random: Random, alphabet: string, lengthMax: number): string {
  return Array.from({ length: random.integer(0, lengthMax) }, () => random.pick([...alphabet])).join('');
}

it('a pattern matches what it means', () => {
  const random = new Random();
  for (let round = 0; round < 3_000; round += 1) {
    const [pattern, text] = [letters(random, 'ab*?', 7), letters(random, 'abc', 9)];
    expect(globMatcher(pattern)(text), `SEED=${random.seed}: '${pattern}' on '${text}'`).toBe(means(pattern, text));
  }
});

it('a pattern of more places than a word has bits matches what it means', () => {
  for (const length of [31, 32, 33, 63, 64, 65, 100]) {
    const text = 'ab'.repeat(length).slice(0, length);
    for (const pattern of [`${text.slice(0, -1)}?`, `*${text}`, `${text}*`, `?${text.slice(1)}*`]) {
      expect(globMatcher(pattern)(text)).toBe(true);
      expect(globMatcher(pattern)(`${text}c`)).toBe(pattern.endsWith('*'));
      expect(globMatcher(pattern)(text.slice(1))).toBe(false);
    }
  }
});

it('a pattern that a regular expression would try for ever is compared once', () => {
  expect(globMatcher(`${'*a?'.repeat(300)}b`)('a'.repeat(100_000))).toBe(false);
});
