/** Routes about the server itself, which clients and probes call: its health, its version, CSRF tokens. */
import { PREFECT_API_VERSION } from '@slotkeeper/protocol/prefect';
import type { Host } from '../host.ts';
import { invalidRequest, missing } from '../input/faults.ts';
import { PrefectError, sendJson } from './answers.ts';
import type { Route } from './routes.ts';
import type { ToldVersion } from './versions.ts';

export function serverRoutes(host: Host, version: ToldVersion): readonly Route[] {
  return [
    {
      method: 'GET',
      right: 'read',
      path: '/health',
      anyVersion: true,
      handle: ({ reply }) => sendJson(reply, 200, true),
    },
    {
      method: 'GET',
      right: 'read',
      path: '/version',
      anyVersion: true,
      handle: ({ reply }) => sendJson(reply, 200, PREFECT_API_VERSION),
    },
    { method: 'GET', right: 'read', path: '/hello', handle: ({ reply }) => sendJson(reply, 200, '👋') },
    {
      method: 'GET',
      right: 'read',
      path: '/admin/version',
      handle: ({ reply }) => sendJson(reply, 200, version(reply.request.headers['user-agent'])),
    },
    {
      method: 'GET',
      right: 'read',
      path: '/ready',
      handle: ({ reply }) =>
        host.ready
          ? sendJson(reply, 200, { message: 'OK' })
          : sendJson(reply, 503, { message: 'Starting again from the journal' }),
    },
    {
      method: 'GET',
      right: 'read',
      path: '/csrf-token',
      handle: ({ query }) => {
        if (query.client === undefined) throw invalidRequest(missing(['query', 'client'], null).list, null);
        // A client that sees exactly this answer sends no CSRF tokens.
        throw new PrefectError(422, { detail: 'CSRF protection is disabled.' });
      },
    },
  ];
}
