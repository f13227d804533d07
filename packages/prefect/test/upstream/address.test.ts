import { expect, test } from 'vitest';
import { upstreamAddress } from '../../src/upstream/address.ts';

test.each([
  ['http://127.0.0.1:4200', { origin: 'http://127.0.0.1:4200', prefix: '' }],
  ['http://127.0.0.1:4200/', { origin: 'http://127.0.0.1:4200', prefix: '' }],
  ['http://127.0.0.1:4200/api', { origin: 'http://127.0.0.1:4200', prefix: '' }],
  ['HTTPS://Prefect.Example:443/api/', { origin: 'https://prefect.example', prefix: '' }],
  ['http://[::1]:4200/base/api', { origin: 'http://[::1]:4200', prefix: '/base' }],
  ['http://prefect.example/base/', { origin: 'http://prefect.example', prefix: '/base' }],
])('%s is the address of a server', (text, address) => {
  expect(upstreamAddress(text)).toEqual(address);
});

test.each(['', 'prefect', '127.0.0.1:4200', 'ws://x', 'http://', 'http://u:p@x', 'http://x/api?a=1', 'http://x/#y'])(
  "'%s' is none",
  (text) => {
    expect(upstreamAddress(text)).toBeUndefined();
  },
);
