import { expect, test } from 'vitest';
import { readAddress } from '../src/address.ts';

test.each([
  ['http://127.0.0.1:4230', 'http://127.0.0.1:4230', 'http://127.0.0.1:4230/session', false],
  ['https://slots.example/', 'https://slots.example', 'https://slots.example/session', false],
  ['http://[::1]:4230', 'http://[::1]:4230', 'http://[::1]:4230/session', false],
  ['http://127.0.0.1:4230/api', 'http://127.0.0.1:4230', 'http://127.0.0.1:4230/session', true],
  ['http://127.0.0.1:4230/api/', 'http://127.0.0.1:4230', 'http://127.0.0.1:4230/session', true],
  ['https://proxy.example/slots', 'https://proxy.example/slots', 'https://proxy.example/slots/session', false],
])('%s is a server', (url, origin, sessionUrl, isApi) => {
  expect(readAddress(url)).toEqual({ type: 'server', origin, sessionUrl, isApi });
});

test.each([
  ['embedded:', undefined],
  ['embedded:./slots.db', './slots.db'],
])('%s is the engine in this process', (url, file) => {
  expect(readAddress(url)).toEqual({ type: 'embedded', file });
});

test.each(['http://user:secret@127.0.0.1', 'http://secret@127.0.0.1', 'htp://user:secret@127.0.0.1'])(
  'a password in a URL is refused and not repeated: %s',
  (url) => {
    expect(() => readAddress(url)).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.not.stringContaining('secret') }),
    );
  },
);

test.each([5, null, {}])('%j is no URL', (url) => {
  expect(() => readAddress(url as string)).toThrow(
    expect.objectContaining({ code: 'INVALID_REQUEST', details: expect.objectContaining({ field: 'url' }) }),
  );
});

test.each(['', 'localhost:4230', 'ws://127.0.0.1:4230', 'http://'])(
  '%j is refused, and the error says what it may be',
  (url) => {
    expect(() => readAddress(url)).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringContaining('http(s)://host:port') }),
    );
  },
);
