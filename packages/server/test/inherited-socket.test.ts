import { expect, test } from 'vitest';
import { inheritedSocket } from '../src/inherited-socket.ts';

const PID = 42;

test('it is the first after the standard streams', () => {
  expect(inheritedSocket({ LISTEN_PID: '42', LISTEN_FDS: '1' }, PID)).toBe(3);
});

test.each([{}, { LISTEN_FDS: '1' }, { LISTEN_PID: '41', LISTEN_FDS: '1' }, { LISTEN_PID: '42', LISTEN_FDS: '0' }])(
  'there is none for %j',
  (variables) => {
    expect(inheritedSocket(variables, PID)).toBeUndefined();
  },
);

test('several are refused', () => {
  expect(() => inheritedSocket({ LISTEN_PID: '42', LISTEN_FDS: '2' }, PID)).toThrow(/2 sockets.*takes one/);
});
