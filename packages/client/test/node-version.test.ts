import { expect, test } from 'vitest';
import { refuseOldNode } from '../src/node-version.ts';

test('an older Node is refused with a sentence that says which is needed', () => {
  expect(() => refuseOldNode('20.20.2')).toThrow('slotkeeper needs Node 22 or newer; this is Node 20.20.2.');
  expect(() => refuseOldNode('22.0.0')).not.toThrow();
});
