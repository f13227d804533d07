/**
 * Versions of the session protocol, and how a client and a server of different ones agree.
 *
 * The client's `hello` offers the versions that it speaks; the server chooses the latest that both speak and says so in its
 * `welcome`. A version is a set of message kinds and fields. A field is added at the end of its row, with a default, and a
 * reader ignores what follows the fields it knows. So most changes need no new version. A new kind of message does: it is sent
 * only if the chosen version has it, and an unknown one is a breach of the protocol.
 *
 * - 2: Slotkeeper 0.1.0. It counts fields: a row must have as many as it knows, so nothing may be added for it. Its `hello`
 *   has one version and no range.
 * - 3: fields may be added.
 */
import type { WireError } from './errors.ts';

export interface Versions {
  readonly min: number;
  readonly max: number;
}

/** The versions that this release speaks. */
export const VERSIONS: Versions = { min: 2, max: 3 };

/** The version of a peer that names none: the first one that was released. */
export const FIRST_VERSION = 2;

/** The latest version that both speak; undefined if there is none. */
export function commonVersion(a: Versions, b: Versions): number | undefined {
  const version = Math.min(a.max, b.max);
  return version >= Math.max(a.min, b.min) ? version : undefined;
}

/** The refusal of a client that has no version in common with the server. It may come back, since another server may answer then. */
export function noCommonVersion(server: Versions, client: Versions): WireError {
  const older = client.max < server.min ? 'client' : 'server';
  return {
    code: 'SERVER_UNREACHABLE',
    message: `The server speaks ${versionsText(server)} of the session protocol, the client ${versionsText(client)}. Upgrade the ${older}`,
    details: { field: 'hello.version', server, client, upgrade: older },
  };
}

export function versionsText({ min, max }: Versions): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`;
}
