/** The client's errors in the words of the command: the facts, and what to type. */
import { AuthError, ConflictError, InvalidRequestError, LimitNotFoundError, ServerUnreachableError } from 'slotkeeper';
import { expect, test } from 'vitest';
import { commandFailure } from '../../src/command/client-failure.ts';

const URL = 'http://127.0.0.1:4230';

test.each([
  [
    new LimitNotFoundError('', { names: ['db'] }),
    /^There is no limit named 'db'\. .*slotkeeper limit set NAME --slots N\.$/,
  ],
  [new ConflictError('', { name: 'my db', holders: 2 }), /holders: 2.*slotkeeper limit drain 'my db'\).*--force/],
  [new ConflictError('', { name: 'db', mode: 'open' }), /'db' was resumed .*slotkeeper limit drain db\.$/],
  [
    new ServerUnreachableError('', { address: URL, reason: 'why' }),
    /4230 cannot be reached: why\. .*--url.*slotkeeper serve/,
  ],
  [new AuthError('', { address: URL, reason: 'why' }), /4230 does not let us in: why\. .*--api-key/],
])('%o says what to type', (error, text) => {
  expect(commandFailure(error)).toMatchObject({ message: expect.stringMatching(text), cause: error, exitCode: 1 });
});

test.each([
  [
    { field: 'slots', name: 'db' },
    "Limit 'db' does not exist yet. Give its slots to create it: slotkeeper limit set db --slots N.",
  ],
  [{ field: 'spec.description', reason: 'must be text' }, '--description must be text.'],
  [{ field: 'name', reason: 'must not be empty' }, 'name must not be empty.'],
])('wrong usage names the option: %o', (details, message) => {
  expect(commandFailure(new InvalidRequestError('', details))).toMatchObject({ message, exitCode: 2 });
});

test.each([
  new ServerUnreachableError('Upgrade the client.', { address: URL, reason: 'why', isThere: true }),
  new ConflictError('The keeper is closed.', {}),
])('an error of another kind keeps its own message: %o', (error) => {
  expect(commandFailure(error)).toMatchObject({ message: error.message, exitCode: 1 });
});
