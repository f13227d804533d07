import { expect, test } from 'vitest';
import { sentence } from '../src/index.ts';

test('what an error says reaches the terminal as one line without escape sequences', () => {
  expect(sentence(new Error("no limit 'a\u001b]0;owned\u0007b'\n  there"))).toBe(
    "no limit 'a\\u001b]0;owned\\u0007b' there",
  );
});
