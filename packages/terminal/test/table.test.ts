import { expect, test } from 'vitest';
import { duration } from '../src/duration.ts';
import { printable } from '../src/index.ts';
import { table } from '../src/table.ts';

test('a table stands in columns, numbers to the right', () => {
  const lines = table(
    [
      { name: 'db', slots: 4 },
      { name: 'a-longer-name', slots: 1200 },
    ],
    [
      { title: 'NAME', of: (row) => row.name },
      { title: 'SLOTS', of: (row) => row.slots },
    ],
  );
  expect(lines).toEqual(['NAME           SLOTS', 'db                 4', 'a-longer-name   1200']);
});

test('a name with control characters cannot move the cursor of whoever lists it', () => {
  const [, line] = table([{ name: '\x1b[2Jdb\nrm\u202e' }], [{ title: 'NAME', of: (row) => row.name }]);
  expect(line).toBe('\\u001b[2Jdb\\u000arm\\u202e');
  expect(printable('Größe 部')).toBe('Größe 部');
});

test.each([
  [-200, '0.0 s'],
  [420, '0.4 s'],
  [9_949, '9.9 s'],
  [9_960, '10 s'],
  [59_700, '1 min 0 s'],
  [185_000, '3 min 5 s'],
  [7_800_000, '2 h 10 min'],
  [356_400_000, '4 d 3 h'],
])('%i ms are read as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});
