import { expect, test } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { quietLog } from '../src/quiet-log.ts';

test('what fails each second is logged once a minute, and all else at once', async () => {
  const time = new VirtualTime();
  const lines: string[] = [];
  const log = quietLog(time, (level, message) => lines.push(`${level} ${message}`));
  for (let second = 0; second < 180; second += 1) {
    log('error', 'the disk is full');
    if (second === 90) log('info', 'running again');
    await time.pass(1_000);
  }
  expect(lines).toEqual([
    'error the disk is full',
    'error the disk is full',
    'info running again',
    'error the disk is full',
  ]);
});

test('it remembers a bounded number of sentences', () => {
  const lines: string[] = [];
  const log = quietLog(new VirtualTime(), (_, message) => lines.push(message));
  for (let number = 0; number < 1_000; number += 1) log('warn', `fault ${number}`);
  log('warn', 'fault 0');
  expect(lines).toHaveLength(1_001);
});
