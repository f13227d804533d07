/** Who may use Prefect's API. */

import { isKey } from '@slotkeeper/protocol';
import type { FastifyRequest } from 'fastify';
import { PrefectError } from './answers.ts';

export interface Credentials {
  readonly apiKey: string | null;
  readonly authString: string | null;
  /** Anybody may GET these. */
  readonly openPaths: readonly string[];
}

/** Throws a `PrefectError` for a request that shows neither the key nor the auth string. */
export function authenticated({ method, url, headers }: FastifyRequest, credentials: Credentials): void {
  const { apiKey, authString, openPaths } = credentials;
  if (method === 'GET' && openPaths.includes(url.split('?', 1)[0]!)) return;
  const given = headers.authorization ?? '';
  // A stock server compares the scheme with upper and lower case as well.
  if (authString !== null && isKey(given, `Basic ${Buffer.from(authString).toString('base64')}`)) return;
  if (apiKey !== null && isKey(given, `Bearer ${apiKey}`)) return;
  throw new PrefectError(401, { exception_message: 'Unauthorized' });
}
