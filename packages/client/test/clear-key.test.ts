import { connect } from 'slotkeeper';
import { expect, it } from 'vitest';
import { clearKeyWarning } from '../src/clear-key.ts';

it.each([
  ['http://10.0.0.1:4230', 'KEY_IN_CLEAR'],
  ['http://slots', 'KEY_IN_CLEAR'],
  ['https://slots', undefined],
  ['http://127.0.0.1:4230', undefined],
  ['http://[::1]:4230', undefined],
  ['http://localhost:4230', undefined],
])('to %s', (origin, code) => {
  expect(clearKeyWarning(origin)?.code).toBe(code);
});

it('is told as a client connects, if it has a key', async () => {
  const told: string[] = [];
  const onWarning = ({ code }: { readonly code: string }): void => void told.push(code);
  // A name that leads nowhere: nothing leaves this machine.
  const address = 'http://slots.invalid:4230';
  await connect(address, { apiKey: 'k', connectTimeoutSeconds: 0.05, onWarning }).catch(() => undefined);
  await connect(address, { connectTimeoutSeconds: 0.05, onWarning }).catch(() => undefined);
  expect(told).toEqual(['KEY_IN_CLEAR']);
});
