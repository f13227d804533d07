import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { headersThere, locationHere } from '../../src/upstream/headers.ts';

const TLS = { origin: 'https://prefect.example', prefix: '' };

test('a server behind TLS is asked by its own name, and told which one was asked for', () => {
  const request = new IncomingMessage(new Socket());
  request.rawHeaders = ['Host', 'slots.example', 'X', '1'];
  request.headers = { host: 'slots.example', x: '1' };
  request.httpVersion = '1.0';
  expect(headersThere(request, TLS, 'me', undefined)).toEqual([
    ...['Host', 'prefect.example'],
    ...['X', '1'],
    ...['X-Forwarded-For', ''],
    ...['X-Forwarded-Host', 'slots.example'],
    ...['X-Forwarded-Proto', 'http'],
    ...['Via', '1.0 me'],
  ]);
});

test.each([
  ['https://prefect.example/api/flows/', '/api/flows/'],
  // As it says when it does not know of the TLS before it.
  ['http://prefect.example/api/flows/', '/api/flows/'],
  ['//prefect.example/x', '/x'],
  ['https://prefect.example//elsewhere.example/', '/elsewhere.example/'],
  ['https://prefect.example:8443/x', 'https://prefect.example:8443/x'],
  ['https://elsewhere.example/', 'https://elsewhere.example/'],
  ['/x', '/x'],
  ['?page=2', '?page=2'],
  ['https://[', 'https://['],
])('its redirect to %s leads to %s', (location, expected) => {
  expect(locationHere(location, TLS, 'slots.example')).toBe(expected);
});
