import { expect, test } from 'vitest';
import { pythonList } from '../../../src/prefect/shared/python-text.ts';

test('names are written as Python writes them', () => {
  expect(pythonList(['a', "it's", 'say "so"', '\'"', 'back\\slash', 'tab\t\x01'])).toBe(
    `['a', "it's", 'say "so"', '\\'"', 'back\\\\slash', 'tab\\t\\x01']`,
  );
});
